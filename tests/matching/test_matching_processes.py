"""Reading in processes of their own: the same answers, in constant memory, and a clear end when one is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from appliance.matching import pairs, reading
from appliance.matching.attributes import FourAttributes
from appliance.matching.decision import Outcome
from appliance.matching.errors import MatchingStopped
from appliance.matching.match import match
from tests.matching.residentkit import HANAKO, REGISTER, unrelated

Row = tuple[FourAttributes, str]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 100)


def test_two_processes_answer_as_none_does() -> None:
    register = [*unrelated(1_000), *REGISTER]
    asked = [one for one, _ in register[::3]] + [replace(HANAKO, name="髙橋花子")]
    here, there = (match(asked, register, processes=count) for count in (1, 2))
    assert here == there
    assert here[-1].resident == "hanako"


def test_progress_tells_every_piece_and_the_register_is_read_as_it_goes() -> None:
    told: list[int] = []
    ahead: list[int] = []

    def register() -> Iterator[Row]:
        for line, row in enumerate(unrelated(2_000)):
            ahead.append(line - (told[-1] if told else 0))
            yield row

    match([HANAKO], register(), processes=2, progress=told.append)
    assert told == list(range(100, 2_001, 100))
    assert max(ahead) <= 100 * (2 * 2 + 2)


def test_what_the_register_raises_is_raised_and_no_process_is_left() -> None:
    def register() -> Iterator[Row]:
        yield from unrelated(450)
        raise OSError("register, line 451: not UTF-8")

    with pytest.raises(OSError, match="line 451"):
        match([HANAKO], register(), processes=2)
    assert multiprocessing.active_children() == []


def test_a_process_that_is_killed_ends_the_matching_with_one_clear_line() -> None:
    def register() -> Iterator[Row]:
        rows = unrelated(1_500)
        yield from rows[:700]
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)
        yield from rows[700:]

    with pytest.raises(MatchingStopped) as stopped:
        match([HANAKO], register(), processes=2)
    assert str(stopped.value) == (
        "a process that reads the register has ended; nothing was matched\n"
        "  → match again; if the machine is short of memory, with fewer processes"
    )


def test_fewer_than_one_process_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one process"):
        match([HANAKO], REGISTER, processes=0)


def test_pairs_are_dropped_as_the_register_goes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd of one name in one house fills no memory, and whoever is meant is kept among them."""
    monkeypatch.setattr(pairs, "_SPARE", 50)
    crowd = [
        (replace(HANAKO, birth_date=f"{1900 + n % 70}-{n % 12 + 1:02}-{n % 28 + 1:02}"), str(n)) for n in range(1_000)
    ]
    (decision,) = match([HANAKO], [*crowd, *REGISTER, *crowd], processes=1)
    assert (decision.outcome, decision.resident) == (Outcome.MATCHED, "hanako")
