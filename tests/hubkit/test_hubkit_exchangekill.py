"""A hub killed (SIGKILL) around every write of its journal, and while the holder answers: nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from exchangekit import Clock, Records, Table, lines, table

from appliance.hubkit import hubjournal
from appliance.hubkit.answering import Answering
from appliance.hubkit.exchange import Question, State, Ticket
from appliance.hubkit.exchangebook import ExchangeBook
from appliance.hubkit.hub import Hub
from appliance.hubkit.hubjournal import HubJournal

MOMENTS = ("before", "half", "unsynced", "synced")


class Killer:
    """The ``os`` that the journal works with; the machine stops at a moment of the ``nth`` write."""

    def __init__(self, nth: int, moment: str) -> None:
        self._nth = nth
        self._moment = moment
        self.writes = 0
        self._synced = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: memoryview) -> int:
        self.writes += 1
        self._maybe("before")
        if self.writes == self._nth and self._moment == "half":
            os.write(descriptor, data[: len(data) // 2])
        self._maybe("half")
        written = os.write(descriptor, data)
        self._maybe("unsynced")
        return written

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)
        self._maybe("synced")

    def _maybe(self, moment: str) -> None:
        if self.writes == self._nth and moment == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Parties:
    """Everybody, over the files of one folder."""

    folder: Path
    hub: Hub
    journal: HubJournal
    asker: ExchangeBook
    holder: ExchangeBook
    records: Records

    def take(self, ticket: Ticket) -> None:
        """Sector B puts the data into its files."""
        with (self.folder / "taken").open("a") as file:
            file.writelines(json.dumps([one.number, one.data]) + "\n" for one in ticket.answers if one.data)

    def taken(self) -> Counter[str]:
        path = self.folder / "taken"
        return Counter(json.loads(line)[0] for line in path.read_text().splitlines()) if path.exists() else Counter()


@contextmanager
def parties(folder: Path, records: Records) -> Iterator[Parties]:
    clock = Clock()
    with (
        HubJournal(folder / "journal.jsonl") as journal,
        ExchangeBook("B", folder / "B.sqlite", clock=clock) as asker,
        ExchangeBook("E", folder / "E.sqlite", clock=clock) as holder,
    ):
        one = Hub(Table(), table(), {"E": Answering(holder, records)}, journal, clock=clock)  # type: ignore[arg-type]
        yield Parties(folder, one, journal, asker, holder, records)


def live(all_of: Parties) -> None:
    """A question about two people, one of whom sector E links later."""
    terms = {"holder": "E", "item": "income", "purpose": "benefit-check", "generation": "sspin.B.1"}
    question = all_of.asker.ask(**terms, reference="case-1", numbers=["B-1", "B-nobody"])
    all_of.take(all_of.asker.put(all_of.hub.submit, question))
    all_of.records.strangers.clear()
    collect(all_of)


def collect(all_of: Parties) -> None:
    for ticket in all_of.asker.collect(all_of.hub.submit):
        all_of.take(ticket)


def in_a_child(act: Callable[[], None]) -> int:
    """What ``waitpid`` says of a process that does it."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def living(folder: Path, killer: Any, records: Records) -> Callable[[], None]:
    def act() -> None:
        with parties(folder, records) as all_of:
            hubjournal.os = killer  # type: ignore[attr-defined]
            live(all_of)
            (folder / "writes").write_text(str(getattr(killer, "writes", 0)))

    return act


def check_whole(folder: Path, lost: tuple[str, ...] = ()) -> None:
    """After going on: both people were answered, once; every record agrees."""
    with parties(folder, Records()) as all_of:
        collect(all_of)
        collect(all_of)
        assert all_of.hub.state("B", "case-1") is State.ANSWERED
        assert [(one.reference, one.state) for one in all_of.asker.asked()] == [("case-1", State.ANSWERED)]
        outcomes = all_of.asker.asked()[0].outcomes
        assert outcomes == {"answered": 2} or (lost and sum(outcomes.values()) == 2), outcomes
        (received,) = all_of.holder.received()
        assert (received.reference, received.state, received.outcomes) == ("case-1", State.ANSWERED, {"answered": 2})
        taken = all_of.taken()
        assert max(taken.values(), default=0) <= 1, "nothing is handed out twice"
        assert taken == {name: 1 for name in ("B-1", "B-nobody") if name not in lost}
    moves = [line["move"] for line in lines(folder / "journal.jsonl")]
    assert moves.count("ask") == moves.count("approve") == moves.count("answer") == 1


def test_undisturbed(tmp_path: Path) -> None:
    assert in_a_child(living(tmp_path, Killer(0, "never"), Records("E-nobody"))) == 0
    assert (tmp_path / "writes").read_text() == "4"
    check_whole(tmp_path)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_killed_around_every_write(tmp_path: Path, nth: int, moment: str) -> None:
    status = in_a_child(living(tmp_path, Killer(nth, moment), Records("E-nobody")))
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    # what the journal has is not handed out once more, even if it went down with the hub: better lost than twice
    going_down = {3: ("B-1",), 4: ("B-nobody",)} if moment in {"unsynced", "synced"} else {}
    check_whole(tmp_path, going_down.get(nth, ()))


@pytest.mark.parametrize("when", ["before its book", "after its book"])
def test_killed_while_the_holder_answers(tmp_path: Path, when: str) -> None:
    class Deadly(Records):
        def answer(self, item: str, numbers: Any) -> Any:
            if when == "before its book":
                os.kill(os.getpid(), signal.SIGKILL)
            return super().answer(item, numbers)

    class Late(Table):
        def convert(self, source: str, target: str, numbers: Any, **why: str) -> Any:
            if source.startswith("sspin.E"):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().convert(source, target, numbers, **why)

    def act() -> None:
        with parties(tmp_path, Deadly("E-nobody")) as all_of:
            all_of.hub._client = Late()  # type: ignore[assignment]
            live(all_of)

    status = in_a_child(act)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert lines(tmp_path / "journal.jsonl")[-1]["state"] == "sent"
    check_whole(tmp_path)


def test_the_asker_is_killed_before_the_hub_has_heard_of_it(tmp_path: Path) -> None:
    def act() -> None:
        def submit(question: Question) -> Ticket:
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

        with parties(tmp_path, Records()) as all_of:
            all_of.hub.submit = submit  # type: ignore[method-assign]
            live(all_of)

    assert os.WIFSIGNALED(in_a_child(act))
    check_whole(tmp_path)
