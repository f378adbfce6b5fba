"""SIGKILL at every step of the journal: what the tests of resume and of abort have in common.

The steps are counted in a run that is not killed, so none is left out by hand; each is met twice, just before its line
is written and just after it is on the disk. Every seventh step's run is killed indeed; for the others the folder was
copied at that moment of one whole run: what SIGKILL leaves is what the kernel had been given by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ceremonykit import Stage
from livingkit import strange
from scenarios import Scenario

WHEN = ("before", "after")
INDEED = 7


@dataclass(frozen=True)
class Agreed:
    """A stage with its approved plan, the command that carries it out, how many steps that has, and copies at each.

    ``whole``: the stage on which it was carried out; ``moments``: where its copies are.
    """

    scenario: Scenario
    stage: Stage
    command: list[str]
    steps: int
    whole: Stage
    moments: Path

    def killed(self, folder: Path) -> Iterator[tuple[Stage, tuple[int, str]]]:
        """A stage for every place where a run can be killed, killed there; removed when the next is asked for."""
        for number in range(1, self.steps + 1, self.scenario.every):
            for when in WHEN:
                broken = self._at(folder, (number, when))
                yield broken, (number, when)
                broken.discard()

    def _at(self, folder: Path, place: tuple[int, str]) -> Stage:
        name = f"{place[0]}-{place[1]}"
        if place[0] % INDEED != 1:
            return self.whole.moved(self.moments / name)
        broken = self.stage.copy(folder / name)
        kill(broken, self.command, place)
        assert _files(broken.folder) == _files(self.moments / name), place
        return broken


@dataclass(frozen=True)
class Stages:
    """One for every scenario to begin with; do not change them."""

    living: Stage
    guarded: Stage
    cloned: Stage

    def of(self, scenario: Scenario) -> Stage:
        """The stage in whose state a scenario is."""
        if scenario.cloned:
            return self.cloned
        return self.guarded if scenario.guarded else self.living


def agree(scenario: Scenario, stage: Stage, folder: Path) -> Agreed:
    """Draft and approve on a copy of the stage; a whole run on another copy counts the steps."""
    ready = stage.copy(folder / "agreed")
    one = carried_out(scenario, ready, scenario.command(ready), folder)
    assert strange(one.whole, scenario.label) == []
    return one


def carried_out(scenario: Scenario, ready: Stage, command: list[str], folder: Path) -> Agreed:
    """The command on a copy of the stage; it must succeed."""
    whole, moments = ready.copy(folder / "whole"), folder / "moments"
    moments.mkdir()
    done = whole.run(*command, moments=moments)
    assert done.code == 0, done.err
    assert done.lines >= 4
    return Agreed(scenario, ready, command, done.lines, whole, moments)


def _files(folder: Path) -> Counter[str]:
    """What lies there, and how much of it; the names of a token's objects are random."""
    kinds = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return Counter(str(one.parent / one.suffix) if "tokens" in one.parts else str(one) for one in kinds)


def kill(stage: Stage, command: list[str], place: tuple[int, str]) -> None:
    """Kill a run at a place; from then on no other begins."""
    killed = stage.run(*command, kill=place)
    assert killed.code == -9, killed.err
    if place == (1, "before"):
        return
    again = stage.run(*command)
    assert again.code == 1
    assert "an execute was cut off" in again.message
    assert again.hint == "keyceremony resume goes on with it, keyceremony abort undoes it"


def nothing_waits(stage: Stage, *, plan: bool = False) -> None:
    """No journal, nothing staged; with ``plan``, the plan and its approvals still lie there."""
    names = {path.name for path in (stage.ledger / "pending").iterdir() if not path.name.startswith(".")}
    folders = {"carried-out", "failed", "withdrawn", "execute.lock"}
    left = {name for name in names - folders if not name.endswith((".plan.json", ".approval.cms"))}
    assert left == set()
    assert plan or names <= folders
