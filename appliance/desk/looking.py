"""One look at the log: what is new is copied, proven, counted and judged, and becomes the next view.

The first look takes the copy that is there, so that a desk shows something while the daemon is away. Of two heads that
disagree both are kept, and from then on nothing is fetched until a person has settled it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from appliance.desk.errors import AlarmStands
from appliance.desk.folding import Fold, Folds
from appliance.desk.orderfolder import OrderFolder
from appliance.oversight import files
from appliance.oversight import trust as trusts
from appliance.oversight.authentic import AuthenticTree
from appliance.oversight.copy import Copy
from appliance.oversight.errors import PieceMissing, WitnessAlarmed
from appliance.oversight.export import Export
from appliance.oversight.report import checks
from appliance.oversight.report.evidence import Evidence
from appliance.oversight.report.findings import Facts, Finding
from appliance.oversight.report.marks import Recalled, recalled
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.orders import HeldOrder
from appliance.oversight.report.statistics import Statistics
from appliance.oversight.report.unusual import findings
from appliance.oversight.report.witnesses import witnessed
from appliance.oversight.source import Source
from appliance.oversight.trust import Trust
from appliance.oversight.witness.state import ALARM, WitnessState
from appliance.progress import Show, silent

_LARGEST_ALARM = 64 * 1024


@dataclass(frozen=True, slots=True)
class View:
    """The log as it is shown: nothing in it changes, but for the statistics once the view after the next is made.

    ``note``: the checkpoint as it was signed. ``strange``: files among the orders that are none.
    """

    evidence: Evidence
    statistics: Statistics
    findings: tuple[Finding, ...]
    orders: Mapping[str, HeldOrder]
    strange: tuple[str, ...]
    note: bytes


class Looking:
    """The desk's folder, and what was made of it. Hold `appliance.oversight.files.locked` on the folder meanwhile.

    ``folder``: holds the copy, and an alarm with its evidence. What is done here may take long: run it in a thread.
    """

    def __init__(self, folder: Path, anchor: str, clock: Clock, orders: OrderFolder) -> None:
        self.copy_folder = folder / "copy"
        self._state = WitnessState(folder)
        self._anchor = anchor
        self._folds = Folds(clock)
        self._orders = orders
        self._trust: tuple[Mapping[str, bytes], Trust] | None = None
        self._seen: Heads | None = None
        self._shown: View | None = None

    def require_calm(self) -> None:
        """Raises AlarmStands while there is an alarm that nobody has settled."""
        path = self._state.folder / ALARM
        if os.path.lexists(path):
            said = files.read(path, _LARGEST_ALARM).decode("utf-8", "replace").partition("\n")[0]
            raise AlarmStands(said, f"the evidence is beside it; when people have decided to go on, remove {path}")

    def from_copy(self, show: Show = silent) -> View | None:
        """The copy as it is, or None if there is none yet.

        Raises:
            KagimoriError: (a subclass) it is not what it must be.
        """
        if not self.copy_folder.is_dir():
            return None
        copy = Copy(self.copy_folder)
        try:
            note = copy.checkpoint()
        except PieceMissing:
            return None
        return self._view(copy, note, copy.ledger(), show)

    def at(self, source: Source, show: Show = silent) -> View | None:
        """The newest view, or None if there is none.

        Raises:
            WitnessAlarmed: (a subclass) the log does not go on from the copy; both heads are kept, and it is an alarm.
            KagimoriError: (a subclass) the daemon gives no answer, or a wrong one.
        """
        offered = Offered(source)
        if self._seen == offered.heads:
            return self._with_orders()
        trust = self._trusted(offered.ledger())
        trusts.verify(offered.checkpoint(), trust)
        files.make_folder(self.copy_folder, 0o700)
        try:
            Export(offered, self.copy_folder).run(show)
            view = self._view(Copy(self.copy_folder), offered.checkpoint(), offered.ledger(), show)
        except WitnessAlarmed as error:
            raise self._state.alarm(error, self._both(offered)) from None
        self._seen = offered.heads
        return view

    def _both(self, offered: Offered) -> dict[str, bytes]:
        seen = Copy(self.copy_folder).checkpoint() if self._shown is None else self._shown.note
        return {"seen.note": seen, "offered.note": offered.checkpoint()}

    def _view(self, copy: Copy, note: bytes, ledger: Mapping[str, bytes], show: Show) -> View:
        trust = self._trusted(ledger)
        signed = trusts.verify(note, trust)
        fold, tree = self._folds.advance(copy, trust, signed.checkpoint, show)
        held = witnessed(copy, trust, tree, signed.checkpoint)
        every = (checks.ledger(trust), checks.checkpoint(trust, signed), *fold.checks(), checks.cosigned(held))
        marks = self._marked(fold, tree)
        evidence = Evidence(trust, signed.checkpoint, every, held, fold.missing, marks)
        orders, strange = self._orders.read(trust.entries)
        found = findings(Facts(fold.statistics, orders, marks))
        self._shown = View(evidence, fold.statistics, found, orders, strange, note)
        self._folds.show()
        return self._shown

    def _marked(self, fold: Fold, tree: AuthenticTree) -> tuple[Recalled, ...]:
        """The marks with what they are about, which is read again only when there is another one."""
        before = () if self._shown is None else self._shown.evidence.marks
        if fold.statistics.marks == tuple(one.said for one in before)[::-1]:
            return before
        return recalled(tree, fold.statistics.marks)

    def _with_orders(self) -> View | None:
        """The view before, with the orders that are there now."""
        if self._shown is not None:
            orders, strange = self._orders.read(self._shown.evidence.entries)
            if (orders, strange) != (self._shown.orders, self._shown.strange):
                found = findings(Facts(self._shown.statistics, orders, self._shown.evidence.marks))
                self._shown = replace(self._shown, orders=orders, strange=strange, findings=found)
        return self._shown

    def _trusted(self, ledger: Mapping[str, bytes]) -> Trust:
        """The ledger, verified from the anchor on; that of the look before, if it is the same."""
        if self._trust is None or self._trust[0] != ledger:
            self._trust = dict(ledger), trusts.of(ledger, self._anchor)
        return self._trust[1]


class Heads(NamedTuple):
    """What tells whether there is anything new."""

    checkpoint: bytes
    cosigned: bytes | None


class Offered:
    """What a source offers at one moment, as a source: what was verified is what is kept."""

    def __init__(self, source: Source) -> None:
        cosigned = source.cosigned()  # before the checkpoint, so that it is not ahead of it
        self.heads = Heads(source.checkpoint(), cosigned)
        self.tile = source.tile
        self._source = source
        self._ledger: Mapping[str, bytes] | None = None

    def checkpoint(self) -> bytes:
        """The newest checkpoint."""
        return self.heads.checkpoint

    def cosigned(self) -> bytes | None:
        """The newest one with cosignatures."""
        return self.heads.cosigned

    def ledger(self) -> Mapping[str, bytes]:
        """The ledger's files."""
        if self._ledger is None:
            self._ledger = dict(self._source.ledger())
        return self._ledger
