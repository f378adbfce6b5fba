"""The hub's journal: whole lines or none, one writer, and every flaw noticed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exchangekit import NOW, Table, hub, lines, question, table
from hypothesis import given
from hypothesis import strategies as st

from appliance.hubkit import hubjournal
from appliance.hubkit.exchange import MOVES, IllegalMove, State
from appliance.hubkit.exchangeerrors import ExchangeError, Expired, JournalDamaged, JournalUnusable
from appliance.hubkit.hubjournal import HubJournal
from appliance.hubkit.hubmoves import LONGEST_LINE, Line, moved, places, places_text
from appliance.hubkit.wire import Conversion, Failed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def written(path: Path) -> Path:
    """Three questions: answered, waiting, refused."""
    with HubJournal(path) as journal:
        one = hub(journal)
        one.exchange(question("B-1"))
        one.exchange(question("B-nobody", reference="case-2"))
        with pytest.raises(ExchangeError):
            one.exchange(question("B-1", reference="case-3", item="health"))
    return path


def states(journal: HubJournal) -> list[State | None]:
    return [journal.state(("B", f"case-{n}")) for n in (1, 2, 3, 4)]


class TestTheFile:
    def test_it_is_its_owners_alone_from_the_beginning(self, path: Path) -> None:
        previous = os.umask(0)
        try:
            HubJournal(path).close()
        finally:
            os.umask(previous)
        assert path.stat().st_mode & 0o777 == 0o600

    def test_it_is_read_again(self, written: Path) -> None:
        with HubJournal(written) as journal:
            assert states(journal) == [State.ANSWERED, State.AWAITING_LINKING, State.REFUSED, None]
            (waiting,) = journal.open_questions()
            assert (waiting.reference, waiting.counts) == ("case-2", {"unknown_to_holder": 1})
            assert journal.people_on("benefit-income", NOW.date()) == 2
            assert journal.cut == 0

    def test_another_ones_file_is_not_taken(self, path: Path, tmp_path: Path) -> None:
        path.touch(mode=0o644)
        with pytest.raises(JournalUnusable, match="is not a file of its owner's alone\n  → chmod 600 it"):
            HubJournal(path)
        link = tmp_path / "link"
        link.symlink_to(path)
        for other in (link, tmp_path, tmp_path / "none" / "journal.jsonl"):
            with pytest.raises(JournalUnusable, match="cannot be opened"):
                HubJournal(other)
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo, 0o600)
        with pytest.raises(JournalUnusable):
            HubJournal(fifo)

    def test_one_hub_writes_it(self, path: Path) -> None:
        code = f"from pathlib import Path; from appliance.hubkit.hubjournal import *; HubJournal(Path({str(path)!r}))"
        with HubJournal(path):
            with pytest.raises(JournalUnusable, match="another hub writes it"):
                HubJournal(path)
            ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
            assert "JournalUnusable: the hub's journal" in ran.stderr
        HubJournal(path).close()

    def test_closed(self, path: Path) -> None:
        journal = HubJournal(path)
        journal.close()
        journal.close()
        with pytest.raises(JournalUnusable, match="is closed"):
            hub(journal).exchange(question("B-1"))


class TestWriting:
    @pytest.mark.parametrize("state", [None, *State])
    def test_an_illegal_move_changes_nothing(self, path: Path, state: State | None) -> None:
        asked = Line(
            time=NOW,
            move="ask",
            state=State.ASKED,
            asker="B",
            reference="r",
            holder="E",
            item="income",
            purpose="p",
            people=1,
        )
        with HubJournal(path) as journal:
            _bring_to(journal, asked, state)
            before = path.read_bytes(), journal.state(asked.key)
            assert before[1] is state
            for move, row in MOVES.items():
                if state not in row.sources:
                    line = asked if move == "ask" else _forced(asked, move, row.target or State.ASKED)
                    with pytest.raises(IllegalMove):
                        journal.write(line)
            with pytest.raises(IllegalMove, match="leads to"):
                journal.write(_forced(asked, "repeat" if state else "ask", _another(state)))
            assert (path.read_bytes(), journal.state(asked.key)) == before

    @pytest.mark.parametrize("fault", ["half", "nothing", "sync", "interrupt"])
    def test_what_cannot_be_written_whole_is_not_there(
        self, written: Path, monkeypatch: pytest.MonkeyPatch, fault: str
    ) -> None:
        with HubJournal(written) as journal:
            before = written.read_bytes()
            client = Table()
            with monkeypatch.context() as patch:
                patch.setattr(hubjournal, "os", _Faulty(fault))
                with pytest.raises((JournalUnusable, KeyboardInterrupt)) as caught:
                    hub(journal, client).exchange(question("B-1", reference="case-4"))
            if fault != "interrupt":
                assert "cannot be written (No space left on device)" in str(caught.value)
            assert client.asked == []
            assert written.read_bytes() == before
            assert journal.state(("B", "case-4")) is None
            assert hub(journal).exchange(question("B-1", reference="case-4"))

    def test_somebody_else_wrote_to_it(self, written: Path) -> None:
        with HubJournal(written) as journal:
            with written.open("ab") as file:
                file.write(b"{}\n")
            with pytest.raises(JournalUnusable, match=r"cannot be written \(something else wrote to it\)"):
                hub(journal).exchange(question("B-1", reference="case-4"))

    def test_what_could_not_be_read_again_is_not_written(self, path: Path) -> None:
        with HubJournal(path) as journal, pytest.raises(JournalUnusable, match="has no words for this"):
            hub(journal, _Talkative()).exchange(question("A-1"))


class TestReadingAgain:
    def test_torn_anywhere(self, written: Path) -> None:
        """Whatever a crash leaves of the last write, whole lines count, the rest is cut off and said."""
        data = written.read_bytes()
        told = lines(written)
        ends = {n + near for n, byte in enumerate(data, 1) if byte == ord("\n") for near in (-1, 0, 1)}
        for length in sorted({*range(0, len(data), 31), *ends} - {len(data) + 1}):
            written.write_bytes(data[:length])
            whole = data[:length].count(b"\n")
            with HubJournal(written) as journal:
                assert written.read_bytes() == data[: data[:length].rfind(b"\n") + 1]
                assert journal.cut == length - written.stat().st_size
                for case in {line["reference"] for line in told}:
                    mine = [line["state"] for line in told[:whole] if line["reference"] == case]
                    assert journal.state(("B", case)) == (mine[-1] if mine else None)

    def test_after_a_torn_line_the_question_goes_on(self, path: Path) -> None:
        asked = question("B-1")
        with HubJournal(path) as journal:
            hub(journal).exchange(asked)
        data = path.read_bytes()
        ends = [n + 1 for n, byte in enumerate(data[:-1]) if byte == ord("\n")]
        for length in sorted({*range(0, len(data) - 1, 23), *ends}):
            path.write_bytes(data[:length])
            with HubJournal(path) as journal:
                assert len(hub(journal).exchange(asked)) == 1
                assert journal.state(("B", "case-1")) is State.ANSWERED
            assert lines(path)[-1]["n"] >= 4

    def test_a_question_that_was_not_ruled_on_is_ruled_on_as_any_other(self, path: Path) -> None:
        asked = question("B-1", "B-2")
        with HubJournal(path) as journal:
            hub(journal).exchange(asked)
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
        with HubJournal(path) as journal:
            one = hub(journal, law=table({"most_people_a_day": 3}))
            one.exchange(question("B-1", "B-2", reference="case-2"))
            with pytest.raises(Expired, match="has expired: benefit-income allows 3 people a day; 2 were asked about"):
                one.exchange(asked)
            assert lines(path)[-1]["why"] == "too_many"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda told: told[1:], "line 1: is numbered 2"),
            (lambda told: told[:1] + told[2:], "line 2: is numbered 3"),
            (lambda told: [*told, told[-1]], r"line \d+: is numbered \d+"),
            (lambda told: [*told[:3], told[3].replace(b'"answered"', b'"expired"'), *told[4:]], "line 4: .*leads to"),
            (lambda told: [told[0].replace(b'"asked"', b'"approved"'), *told[1:]], "line 1: ask: leads to asked"),
            (lambda told: [told[0].replace(b'"ask"', b'"send"'), *told[1:]], "line 1: send: the question is not there"),
            (lambda told: [told[0].replace(b'"ask"', b'"reopen"'), *told[1:]], "line 1: reopen: no such move"),
            (lambda told: [told[0].replace(b'{"n"', b'{"number":"E-1","n"'), *told[1:]], "line 1: .*unknown field"),
            (lambda told: [told[0].replace(b'"n":1,', b""), *told[1:]], "line 1: is numbered 0"),
            (lambda told: [told[0].replace(b"00Z", b"00"), *told[1:]], "line 1: a time without its zone"),
            (lambda told: [b"\xff\n", *told[1:]], "line 1: "),
            (lambda told: [b"\n", *told[1:]], "line 1: "),
            (lambda told: [b"[" * 2000 + b"\n", *told[1:]], "line 1: "),
            (lambda told: [b" " * 70_000 + b"\n", *told[1:]], "line 1: longer than 65536 bytes"),
        ],
    )
    def test_any_other_flaw_is_refused(
        self, written: Path, change: Callable[[list[bytes]], list[bytes]], message: str
    ) -> None:
        written.write_bytes(b"".join(change(written.read_bytes().splitlines(keepends=True))))
        with pytest.raises(JournalDamaged, match=message) as caught:
            HubJournal(written)
        assert caught.value.hint is not None and "evidence" in caught.value.hint
        with pytest.raises(JournalDamaged):  # the lock was given up
            HubJournal(written)


def _bring_to(journal: HubJournal, asked: Line, state: State | None) -> None:
    """By the shortest way there."""
    ways: dict[State | None, list[str]] = {None: []}
    todo: list[State | None] = [None]
    while todo:
        here = todo.pop(0)
        for move, row in MOVES.items():
            if here in row.sources and row.target is not None and row.target not in ways:
                ways[row.target] = [*ways[here], move]
                todo.append(row.target)
    line = asked
    for move in ways[state]:
        line = asked if move == "ask" else moved(line, move, NOW)
        journal.write(line)


def _forced(line: Line, move: str, state: State) -> Line:
    values = {name: getattr(line, name) for name in line.__struct_fields__}
    return Line(**{**values, "move": move, "state": state})


def _another(state: State | None) -> State:
    return State.EXPIRED if state is not State.EXPIRED else State.SENT


class _Faulty:
    """The ``os`` of a full disk, or of an impatient operator."""

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: memoryview) -> int:
        if self._fault == "half" and len(data) > 100:
            return os.write(descriptor, data[: len(data) // 2])
        if self._fault in {"half", "nothing"}:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        if self._fault == "interrupt":
            raise KeyboardInterrupt
        raise OSError(errno.ENOSPC, "No space left on device")


class _Talkative(Table):
    """An appliance with a code that is none."""

    def convert(self, source: str, target: str, numbers: Any, **why: str) -> Any:
        return Conversion(source, target, 1, tuple(Failed("Not A Code: 山田") for _ in numbers))


class TestPlaces:
    @given(st.integers(1, 300).flatmap(lambda people: st.tuples(st.just(people), st.sets(st.integers(0, people - 1)))))
    def test_there_and_back(self, asked: tuple[int, set[int]]) -> None:
        people, chosen = asked
        text = places_text(chosen, people)
        assert places(text, people) == sorted(chosen)
        assert len(text) == 2 * ((people + 7) // 8)

    def test_everybody(self) -> None:
        assert places(None, 3) == [0, 1, 2]

    def test_the_largest_question_that_a_basis_can_allow_fits_into_a_line(self) -> None:
        assert len(places_text({99_999}, 100_000)) < LONGEST_LINE - 4_096
