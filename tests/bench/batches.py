"""What a number costs by how many come at once, 1 … 65,536: in the engine, as one JSON request, as one stream of text.

"No cliff" is part of it: a number at 65,536 may cost a tenth more than at 8,192, no more.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial

from appliance.hubkit.client import Client
from tests.bench import limits
from tests.bench.engine import TOKEN, token_of
from tests.bench.figures import Curve, Figure, Limit, Measured, at_most
from tests.bench.setting import PURPOSE, Seen, Setting, middle, ratio
from tests.bench.subject import BATCH, B, E

LARGEST_REQUEST = 10_000  # the policy's values_per_request in a test world
BIG, USUAL = 65_536, 8_192
ROUNDS = 3
ENGINE, JSON, TEXT = "engine, in process", "one JSON request", "one stream of text"
CLOCKS = {ENGINE: limits.PROCESSOR, JSON: time.perf_counter, TEXT: time.perf_counter}


def measure(setting: Setting, most_rounds: int = ROUNDS) -> Measured:
    """The curve, and what the cliff is, if there is one."""
    rounds = min(most_rounds, setting.effort.rounds)
    with Client(setting.world.hub_socket, timeout=30) as client:
        measures = _measures(setting, client)
        seen = setting.in_turns({"token": token_of(setting, limits.PROCESSOR), **measures}, rounds)
        figures = [_no_cliff(kind, setting, measures) for kind in (ENGINE, TEXT)]
    return Measured(figures, [_curve(seen, measures)])


def _measures(setting: Setting, client: Client) -> dict[str, Callable[[], float]]:
    """By ``"kind size"``: numbers a second."""
    seconds = setting.effort.slice
    measures: dict[str, Callable[[], float]] = {}
    for size in setting.effort.batches:
        works = {ENGINE: _engine(setting, size), TEXT: _text(setting, client, size)}
        if size <= LARGEST_REQUEST:
            works[JSON] = _json(setting, client, size)
        for kind, work in works.items():
            measures[f"{kind} {size}"] = partial(limits.rate, work, seconds, CLOCKS[kind])
    return measures


def _lines(setting: Setting, size: int) -> tuple[bytes, bytes]:
    """Lines of B and E, ``size`` of them."""
    copies = -(-size // BATCH)
    width = len(setting.ours.b_text) // BATCH
    return (setting.ours.b_text * copies)[: width * size], (setting.ours.e_text * copies)[: width * size]


def _engine(setting: Setting, size: int) -> Callable[[], int]:
    question, expected = _lines(setting, size)

    def work() -> int:
        _require(setting.ours.converter.convert_lines(B, E, question).text == expected)
        return size

    return work


def _json(setting: Setting, client: Client, size: int) -> Callable[[], int]:
    question, expected = (lines.decode().split() for lines in _lines(setting, size))

    def work() -> int:
        done = client.convert("sspin.B", "sspin.E", question, purpose=PURPOSE, reference="bench")
        _require([getattr(one, "number", "") for one in done.results] == expected)
        return size

    return work


def _text(setting: Setting, client: Client, size: int) -> Callable[[], int]:
    question, expected = _lines(setting, size)

    def work() -> int:
        lines = io.BytesIO(question)
        with client.convert_stream("sspin.B", "sspin.E", lines, purpose=PURPOSE, reference="bench") as stream:
            _require(b"".join(stream.blocks()) == expected)
        return size

    return work


def _require(right: bool) -> None:
    if not right:
        raise SystemExit("bench: a wrong number")


def _no_cliff(kind: str, setting: Setting, measures: dict[str, Callable[[], float]]) -> Figure:
    """Cost of a number at 65,536 to that at 8,192, in turns of their own."""
    seen = setting.in_turns({str(size): measures[f"{kind} {size}"] for size in (USUAL, BIG)}, setting.effort.turns)
    usual = Limit(f"the same at {USUAL:,}", 1e9 / middle(seen, str(USUAL)))
    cost = 1 / ratio(seen, str(BIG), str(USUAL))
    name = "no_cliff_engine" if kind == ENGINE else "no_cliff_text"
    what = f"no cliff: a number at {BIG:,} at once, {kind}"
    return Figure(name, "numbers", what, 1e9 / middle(seen, str(BIG)), "ns", usual, cost, True, at_most(1.1))


def _curve(seen: Seen, measures: dict[str, Callable[[], float]]) -> Curve:
    series: dict[str, list[tuple[float, float]]] = {kind: [] for kind in (ENGINE, TEXT, JSON)}
    for name in measures:
        kind, _, size = name.rpartition(" ")
        series[kind].append((float(size), middle(seen, name)))
    limits_ = {TOKEN: middle(seen, "token")}
    return Curve(
        "batches", "Numbers a second by how many come at once", "numbers at once", "numbers/s", series, limits_
    )
