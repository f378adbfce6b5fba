"""The fault table, a ceremony: all of it is done or nothing, and what was undone the same command can do later."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import cellkit
import pytest

from keyceremony import workspace
from keyceremony.plans import drafting
from keyceremony.table import papers
from keyceremony.table.approve import approve
from tests.clonekit import DECIDERS, CloneWorld, clone_world
from tests.faults.faultcells import REMOVED
from tests.faults.faultwords import ABORTED, COMPLETED, UNDONE, Cell
from tests.shimkit import Shim, shimmed
from tests.world import softhsm

FIRST = ("generate sspin.B", "generate sspin.C", "generate log")


@dataclass
class Stage:
    """A world with an approved plan, and the shim that everything in it works through."""

    world: CloneWorld
    shim: Shim
    plan: Path = field(default_factory=Path)
    before: list[str] = field(default_factory=list)

    def agree(self, actions: Sequence[str]) -> None:
        """Draft a plan and approve it."""
        plan = drafting.keys(self.world.state(), actions, title="What was agreed", now=datetime.now(UTC))
        self.plan = workspace.plan_path(self.world.ledger, plan.sequence)
        workspace.make_pending(self.world.ledger)
        paper = papers.paper_of(self.plan, plan)
        workspace.create(self.plan, paper.data)
        roster = papers.roster_for(plan, self.world.state())
        for person in DECIDERS:
            approve(paper, papers.person_in(roster, person), self.world.signers[person], now=datetime.now(UTC))
        self.before = self.objects()

    def execute(self) -> tuple[int, str]:
        return self._run("execute", str(self.plan), "--operator", "test kit")

    def resume(self) -> tuple[int, str]:
        return self._run("resume")

    def abort(self) -> tuple[int, str]:
        return self._run("abort", "--reason", "a fault")

    def _run(self, *arguments: str) -> tuple[int, str]:
        done = self.world.keyceremony(*arguments, "--config", str(self.world.config))
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stderr

    def objects(self) -> list[str]:
        """The CKA_IDs on both tokens, as pkcs11-tool shows them without the shim; sorted."""
        tool, module = (str(softhsm()[f"KAGIMORI_{name}"]) for name in ("PKCS11_TOOL", "SOFTHSM_MODULE"))
        found: list[str] = []
        for label in (self.world.token_label, self.world.vault.label):
            command = [tool, "--module", module, "--token-label", label, "--login", "--pin", self.world.pin, "-O"]
            shown = subprocess.run(command, env=self.world.env, capture_output=True, text=True, check=True)
            found += sorted(f"{label} {line.strip()}" for line in shown.stdout.splitlines() if "ID:" in line)
        return found


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    world = clone_world(tmp_path_factory.mktemp("ceremony") / "w", 0, keys=("spin", "sspin.A"))
    world.ceremony(["suspend sspin.A.1", "retire sspin.A.1"], "A retirement")
    made = Stage(world, shimmed(world))
    made.agree(FIRST)
    return made


@pytest.fixture(scope="module")
def destroying(stage: Stage) -> Stage:
    """After the first plan was carried out without a fault."""
    stage.shim.do("C_GenerateRandom zero")
    code, said = stage.execute()
    assert code == 0, said
    assert len(stage.objects()) == len(stage.before) + 6, "two keys on two tokens, and the halves of a log key"
    assert stage.shim.met() == {"C_GenerateRandom zero": 0}, "no random number of a token's is relied upon"
    stage.agree(["destroy sspin.A.1"])
    return stage


def fails(stage: Stage, cell: Cell) -> str:
    """Execute with the fault; what was said."""
    stage.shim.do(*cell.commands)
    code, said = stage.execute()
    assert all(stage.shim.fired().values()), stage.shim.met()
    stage.shim.clear()
    assert code in (1, 5), said
    assert cell.says in said, said
    return said


@cellkit.cells("ceremony")
def test_a_fault_in_a_ceremony(stage: Stage, cell: Cell) -> None:
    sequence = stage.world.state().sequence
    said = fails(stage, cell)
    if cell.expected == ABORTED:
        assert "LEFT ON A TOKEN" in said and "keyceremony abort" in said
        assert len(stage.objects()) > len(stage.before)
        assert stage.abort() == (0, "")
    else:
        assert cell.expected == UNDONE
        assert (REMOVED in said) != (cell.operation == "log in"), f"there, nothing was begun: {said}"
    assert stage.objects() == stage.before
    assert stage.world.state().sequence == sequence


@cellkit.cells("destroying")
def test_a_fault_in_a_destruction(destroying: Stage, cell: Cell) -> None:
    stage = destroying
    fails(stage, cell)
    assert cell.expected == COMPLETED
    assert len(stage.objects()) == len(stage.before) - 1
    assert stage.resume() == (0, "")
    assert len(stage.objects()) == len(stage.before) - 2
