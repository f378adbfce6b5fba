"""The profile adds up: parts of the code are told apart, shares sum to one, and a short run sees every process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from tests.bench.profile.parts import part_of
from tests.bench.profile.sampler import DISK, Sample
from tests.bench.profile.shares import CLIENT, HANDOVER, Stretch, busy, shares
from tests.world import PROJECT

SAMPLES: list[Sample] = [
    (9.0, 5.0, "daemon: before it began"),
    (11.0, 1.0, "daemon: sockets"),
    (12.0, 2.0, "engine: the token's AES"),
    (13.0, 1.0, "engine: the token's AES"),
    (14.0, 2.0, DISK),
    (14.5, 0.02, "engine: frames and socket"),
    (21.0, 5.0, "engine: after its end"),
]


def _stretch(in_turn: bool) -> Stretch:
    return Stretch("s", 10.0, 20.0, 1.0, in_turn, 100)


def _frame(*files: str) -> FrameType:
    """A stack whose functions are in these files, the innermost last."""
    source = "import sys\ndef call(inner): return inner() if inner else sys._getframe()\n"
    inner: Callable[[], FrameType] | None = None
    for name in reversed(files):
        space: dict[str, Any] = {}
        exec(compile(source, name, "exec"), space)
        inner = partial(space["call"], inner)
    assert inner is not None
    return inner()


@pytest.mark.parametrize(
    ("role", "files", "part"),
    [
        ("engine", ["/x/appliance/engine/converter.py", "/x/appliance/token/stream.py"], "engine: the token's AES"),
        ("engine", ["/x/appliance/numbers/lockstep.py", "/lib/numpy/_core/x.py"], "engine: FF1 around the AES"),
        ("engine", ["/x/appliance/numbers/columns.py"], "engine: text to halves and back"),
        ("engine", ["/lib/threading.py"], "engine: other"),
        ("daemon", ["/lib/asyncio/base_events.py", "/lib/selectors.py"], "daemon: waiting for sockets"),
        ("daemon", ["/x/appliance/daemon/app.py", "/lib/asyncio/selector_events.py"], "daemon: sockets"),
        ("daemon", ["/lib/asyncio/events.py"], "daemon: event loop (asyncio)"),
        (
            "daemon",
            ["/lib/aiohttp/web.py", "/x/appliance/daemon/app.py", "/lib/json/x.py"],
            "daemon: requests and frames",
        ),
    ],
)
def test_the_innermost_frame_that_is_known_decides(role: str, files: list[str], part: str) -> None:
    assert part_of(_frame(*files), role) == part


def test_in_turn_the_rest_of_the_time_is_handing_over() -> None:
    found = shares(SAMPLES, _stretch(in_turn=True))
    assert sum(found.values()) == pytest.approx(1)
    assert found["engine: the token's AES"] == pytest.approx(0.3)
    assert found[DISK] == pytest.approx(0.2)
    assert found[CLIENT] == pytest.approx(0.1)
    assert found[HANDOVER] == pytest.approx(0.298)
    assert found["engine: other"] == pytest.approx(0.002)  # too small for a row of its own


def test_at_once_shares_are_of_processor_time_without_the_disk() -> None:
    found = shares(SAMPLES, _stretch(in_turn=False))
    assert sum(found.values()) == pytest.approx(1)
    assert DISK not in found and HANDOVER not in found
    assert found["engine: the token's AES"] == pytest.approx(3 / 5.02)


def test_how_busy_each_was() -> None:
    assert busy(SAMPLES, _stretch(in_turn=True)) == pytest.approx(
        {"client": 0.1, "daemon": 0.1, "engine": 0.302, "index": 0.0, "disk": 0.2}
    )


def test_a_short_run_sees_client_daemon_engine_token_and_disk() -> None:
    command = [sys.executable, "-m", "tests.bench.profile", "--seconds", "0.8"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for load in ("single request", "batch: JSON, 1,000 numbers", "bulk stream"):
        assert load in done.stdout
    for part in ("client", "daemon: thread audit", "engine: the token's AES", "disk: fdatasync", "handed over"):
        assert part in done.stdout
