"""How much is measured: the usual run, a quick one (for tests of the bench itself), and the full one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """``rounds``: how often a long measure takes its turn, ``turns``: a short one, which takes ``slice`` seconds.

    Many short turns, so that whatever else the machine does hits limit and measure alike. ``seconds``: requests.
    """

    name: str
    rounds: int
    turns: int
    seconds: float
    slice: float
    lines: int  # of a stream in turns; the long one has ten times as many
    tags: tuple[int, ...]  # stored for one person's history
    batches: tuple[int, ...]
    clients: tuple[int, ...]
    engines: tuple[int, ...]
    rows: tuple[int, ...]  # of files
    lanes_lines: int  # of the stream beside which requests come
    lanes_rounds: int
    with_clone: bool = True


_BATCHES = (1, 2, 3, 4, 8, 16, 32, 64, 256, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
_CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
EFFORTS = {
    effort.name: effort
    for effort in (
        Effort(
            "quick",
            1,
            2,
            0.1,
            0.03,
            20_000,
            (100_000,),
            (1, 8192, 65536),
            (1, 32),
            (1, 2),
            (2_000,),
            3_000_000,
            1,
            False,
        ),
        Effort(
            "usual",
            5,
            25,
            2.0,
            0.1,
            1_000_000,
            (1_000_000, 10_000_000),
            _BATCHES,
            _CLIENTS,
            (1, 2, 3, 4),
            (100_000, 1_000_000, 10_000_000),
            6_000_000,
            2,
        ),
        Effort(
            "full",
            7,
            51,
            3.0,
            0.1,
            1_000_000,
            (1_000_000, 10_000_000, 100_000_000),
            _BATCHES,
            _CLIENTS,
            (1, 2, 3, 4),
            (100_000, 1_000_000, 10_000_000, 100_000_000),
            10_000_000,
            3,
        ),
    )
}
