"""A witness killed anywhere: it never signs two heads that disagree, and always goes on from what it remembers.

Each look runs in a forked process that is killed (it exits without another instruction of Python) at one step of the
disk's or the keys' work; the witness is then shown a fork of the log.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from logkit import Log, thousand, witness_keys

from appliance.oversight import files
from appliance.oversight.copy import Copy
from appliance.oversight.errors import WitnessAlarmed
from appliance.oversight.witness.keys import WitnessKeys
from appliance.oversight.witness.rounds import Witness
from appliance.oversight.witness.state import WitnessState
from appliance.tlog import note as notes

KILLED = 9
STEPS = (
    (os, "open"),
    (os, "fsync"),
    (Path, "replace"),
    (files, "sync_folder"),
    (WitnessKeys, "cosign"),
    (Path, "unlink"),
)


class Killer:
    """Ends the process at the n-th of the steps, before it is done."""

    def __init__(self, at: int, patch: pytest.MonkeyPatch) -> None:
        self.left = at
        for place, name in STEPS:
            patch.setattr(place, name, self._counting(getattr(place, name)))

    def _counting(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if self.left == 0:
                os._exit(KILLED)
            self.left -= 1
            return step(*arguments, **named)

        return counted


def look(state: Path, copy: Path, log: Log, signed: Path, *, begin: bool = False, kill: int | None = None) -> int:
    """Look in a process of its own, and write down what was signed; how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended = 1
    try:
        witness = Witness(witness_keys(), WitnessState(state), log.book.anchor, begin=begin, entries=False)
        with pytest.MonkeyPatch.context() as patch:
            if kill is not None:
                Killer(kill, patch)
            note = witness.look(Copy(copy)).note
        with signed.open("ab") as file:
            file.write(notes.parse(note).text.encode() + b"\n")
        ended = 0
    except WitnessAlarmed:
        ended = 2
    finally:
        os._exit(ended)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Log, dict[str, Path]]:
    """A log at 600 records, the same at 700, and a fork of it at 700."""
    folder, log = tmp_path_factory.mktemp("copies"), thousand()
    fork = Log(log.book, entries=log.entries[:650], leaves=log.leaves[:650], clock=log.clock)
    fork.grow(700)
    return log, {
        "600": log.write(folder / "600", 600),
        "700": log.write(folder / "700", 700),
        "fork": fork.write(folder / "fork", 700),
    }


def test_killed_at_every_step(tmp_path: Path, copies: tuple[Log, dict[str, Path]]) -> None:
    """Wherever it died on the way to 700, shown the fork of 700 it either takes that one only, or raises the alarm."""
    log, folders = copies
    kill, ends = 0, set()
    while True:
        state, signed = tmp_path / f"{kill}", tmp_path / f"{kill}.signed"
        state.mkdir()
        assert look(state, folders["600"], log, signed, begin=True) == 0
        first = look(state, folders["700"], log, signed, kill=kill)
        remembered = WitnessState(state).read()
        assert remembered is not None
        second = look(state, folders["fork"], log, signed)
        heads = signed.read_text().split("\n\n")
        sizes = [head.split("\n")[1] for head in heads if head]
        assert sizes.count("700") <= 1, f"two heads of one size were signed when killed at step {kill}"
        assert second == (2 if remembered.size == 700 else 0)
        ends.add((first, remembered.size))
        if first == 0:
            break
        assert first == KILLED
        kill += 1
    assert ends == {(KILLED, 600), (KILLED, 700), (0, 700)}
    assert kill >= 8


def test_killed_between_remembering_and_signing(tmp_path: Path, copies: tuple[Log, dict[str, Path]]) -> None:
    """The head is remembered and not signed: the next look signs that same head, and no other."""
    log, folders = copies
    state, signed = tmp_path / "state", tmp_path / "signed"
    state.mkdir()

    def killed(*_: object) -> None:
        os._exit(KILLED)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WitnessKeys, "cosign", killed)
        assert look(state, folders["700"], log, signed, begin=True) == KILLED
    assert not signed.exists()
    assert look(state, folders["700"], log, signed) == 0
    assert signed.read_text().count("\n700\n") == 1
    assert look(state, folders["fork"], log, signed) == 2


def test_killed_while_raising_the_alarm(tmp_path: Path, copies: tuple[Log, dict[str, Path]]) -> None:
    """Cut off at any step of keeping the evidence: the next look at the fork raises the alarm, and signs nothing."""
    log, folders = copies
    kill = 0
    while True:
        state, signed = tmp_path / f"{kill}", tmp_path / f"{kill}.signed"
        state.mkdir()
        assert look(state, folders["700"], log, signed, begin=True) == 0
        ended = look(state, folders["fork"], log, signed, kill=kill)
        assert look(state, folders["fork"], log, signed) == 2
        assert (state / "alarm").exists()
        assert signed.read_text().count("\n700\n") == 1
        if ended == 2:
            break
        assert ended == KILLED
        kill += 1
    assert kill >= 8
