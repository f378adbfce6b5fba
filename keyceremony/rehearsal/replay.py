"""The original plans one by one: translated, approved by throw-away people, carried out by the real execute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from appliance.configuration import read_pin
from appliance.ledger.actions import Action, action_name, subject_of
from appliance.ledger.plan import NO_PREVIOUS, Plan
from appliance.ledger.state import LedgerState
from keyceremony import workspace
from keyceremony.act import execute as executing
from keyceremony.act.desk import Desk, Name
from keyceremony.act.execute import Run
from keyceremony.act.prepare import prepare
from keyceremony.rehearsal import translate
from keyceremony.rehearsal.cast import MARK, StandIn, token_of
from keyceremony.rehearsal.events import Began, Event, Step
from keyceremony.rehearsal.folder import Folder
from keyceremony.rehearsal.people import Troupe
from keyceremony.table import papers

TOOL = "keyceremony rehearse"


@dataclass(frozen=True)
class FolderPins:
    """Shaped like `keyceremony.act.desk.Pins`: the throw-away tokens' PINs, from the rehearsal's folder."""

    folder: Folder
    entries: Mapping[str, int]

    def user(self, label: str) -> str:
        """The PIN of a throw-away token's user."""
        return read_pin(self.folder.pin(self.entries[label]))

    def so(self, label: str) -> str:
        """The PIN of its security officer."""
        return read_pin(self.folder.pin(self.entries[label], so=True))


@dataclass
class Player:
    """A rehearsal in progress. ``serials``: of the throw-away tokens, by label; ``tell`` hears of each step."""

    folder: Folder
    module: Path
    serials: Mapping[str, str]
    stand_ins: Mapping[int, StandIn]
    tell: Callable[[Event], None]
    troupe: Troupe = field(default_factory=Troupe)
    tokens: dict[str, Name] = field(default_factory=dict)
    state: LedgerState | None = None
    anchor: str = ""

    def play(self, original: Plan) -> None:
        """Rehearse one plan; the next one goes on from there.

        Raises:
            KagimoriError: (a subclass) whatever the real commands would raise.
        """
        self.tell(Began(original.sequence))
        paper = self._paper(original)
        workspace.make_pending(self.folder.ledger)
        workspace.create(paper.path, paper.data)
        self.anchor = self.anchor or paper.digest
        approvals = self._approved(paper)
        prepared = prepare(self.folder.ledger, self.anchor, paper, approvals, now=datetime.now(UTC))
        pins = FolderPins(self.folder, {one.label: one.entry for one in self.stand_ins.values()})
        with Desk(self.module, pins, prepared.needs.names) as desk:
            self.state = executing.execute(prepared, desk, Run(MARK, TOOL, self._action, self._step))

    def _paper(self, original: Plan) -> papers.Paper:
        taken = token_of(original)
        if taken is not None:
            label = self.stand_ins[original.sequence].label
            self.tokens[taken.serial] = Name(label, self.serials[label])
        for roster in translate.rosters(original):
            self.troupe.enlist(roster)
        parts = translate.Parts(self.tokens, self.troupe.certificates)
        previous = self.state.head if self.state else NO_PREVIOUS
        translated = translate.translate(original, parts, previous, datetime.now(UTC))
        return papers.paper_of(workspace.plan_path(self.folder.ledger, original.sequence), translated)

    def _approved(self, paper: papers.Paper) -> list[Path]:
        roster, paths = papers.roster_for(paper.plan, self.state), []
        for person, joins, approval in self.troupe.approvals(paper.plan, paper.data, roster):
            path = workspace.approval_path(paper.path, paper.plan.sequence, person.id, joins=joins)
            workspace.create(path, approval)
            paths.append(path)
        return paths

    def _action(self, number: int, action: Action) -> None:
        self.tell(Step(f"{number}. {action_name(action)} {subject_of(action)}"))

    def _step(self, what: str) -> None:
        self.tell(Step(what))
