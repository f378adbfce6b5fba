"""Whether the records tell a story that can be true: runs, ledgers, ceremonies, pruning, times and orders.

A log whose every byte is right can still be dishonest: a ledger that nobody signed was in force, a ceremony was left
out, an order was used too often. What needs the records before a record is judged here, in one pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.audit import records
from appliance.audit.records import Record
from appliance.ledger.actions import action_name, subject_of
from appliance.ledger.chain import Entry
from appliance.ledger.order import Order
from appliance.oversight.verify import terms
from appliance.oversight.verify.facts import Event, Terms, Use, Uses, backwards
from appliance.oversight.verify.findings import MOST, Findings


@dataclass
class Told:
    """What the records say, counted. ``crashes``: starts without a stop before them, by record."""

    conversions: int = 0
    numbers: int = 0
    begin: str = ""
    latest: str = ""
    crashes: list[int] = field(default_factory=list)
    repairs: list[int] = field(default_factory=list)
    losses: list[int] = field(default_factory=list)
    orders: Counter[str] = field(default_factory=Counter)
    pruned: int = 1
    loaded: int = 0


class Story:
    """Takes events in order.

    Args:
        entries: the verified ledger, None if there is none that could be verified; then what needs it is not judged.
        orders: the orders that are known, by digest.
        findings: where what is wrong goes.
    """

    def __init__(self, entries: tuple[Entry, ...] | None, orders: Mapping[str, Order], findings: Findings) -> None:
        self.told = Told()
        self._entries = None if entries is None else {entry.sequence: entry for entry in entries}
        self._orders = orders
        self._findings = findings
        self._running: bool | None = None  # None: the beginning was pruned
        self._whole = False
        self._loaded_in_run = False
        self._force: list[Entry] = []  # the ledger in force and the one before it
        self._lost = 0
        self._ceremonies: int | None = None
        self._latest_record = 0
        self._judged: set[tuple[Terms, int]] = set()

    def begin(self, begin: str, latest: str, latest_record: int, first_record: int) -> None:
        """A stretch of records begins: its first and latest time."""
        if not begin:
            return
        told = self.told
        if not told.begin:
            told.begin = begin
            self._whole = first_record == 1
            self._running = False if self._whole else None
        elif (problem := backwards(self._latest_record, told.latest, begin)) is not None:
            self._add(first_record, problem)
        if latest >= told.latest:
            told.latest, self._latest_record = latest, latest_record

    def take(self, event: Event) -> None:
        """One event more."""
        if isinstance(event, dict):
            self._use(event)
            return
        match event:
            case records.Start():
                self._start(event)
            case records.Stop():
                self._running = False
            case records.LedgerLoaded():
                self._load(event)
            case records.Ceremony():
                self._ceremony(event)
            case records.AuditLost():
                self._lost = event.record
                self.told.losses.append(event.record)
            case records.AuditRegained():
                self._lost = 0
            case records.Repair():
                self.told.repairs.append(event.record)
            case records.Pruned():
                self._prune(event)
            case _:
                pass

    def _add(self, record: Record | int, what: str) -> None:
        self._findings.add(f"record {record if isinstance(record, int) else record.record}", what)

    def _start(self, record: records.Start) -> None:
        if self._running:
            self.told.crashes.append(record.record)
        self._running, self._loaded_in_run, self._lost = True, False, 0

    def _load(self, record: records.LedgerLoaded) -> None:
        self._loaded_in_run = True
        if record.sequence < self.told.loaded:
            self._add(record, f"ledger entry {record.sequence} is in force after {self.told.loaded}: rolled back")
        self.told.loaded = max(self.told.loaded, record.sequence)
        if self._running is False:
            self._add(record, "a ledger is loaded outside a run: no start before it")
        entry = self._known(record, record.sequence, record.head)
        if entry is not None:
            self._force = [entry, *self._force[:1]]
        if self._ceremonies is not None and self._ceremonies < record.sequence:
            self._add(record, f"ledger entry {self._ceremonies + 1} is in force and has no ceremony record before this")

    def _known(self, record: Record, sequence: int, head: str) -> Entry | None:
        """The entry of the ledger that a record names."""
        if self._entries is None:
            return None
        entry = self._entries.get(sequence)
        if entry is None:
            self._add(record, f"names ledger entry {sequence}; the ledger in the copy ends at {max(self._entries)}")
        elif entry.head != head:
            self._add(record, f"names ledger entry {sequence} with head {head}; the copy's has {entry.head}")
            return None
        return entry

    def _ceremony(self, record: records.Ceremony) -> None:
        before = self._ceremonies if self._ceremonies is not None else (0 if self._whole else None)
        if before is not None and record.sequence != before + 1:
            self._add(record, f"ceremony of ledger entry {record.sequence} follows that of {before}")
        self._ceremonies = record.sequence
        entry = self._known(record, record.sequence, record.head)
        if entry is None:
            return
        actions = tuple(f"{action_name(action)} {subject_of(action)}" for action in entry.plan.actions)
        told = (record.title, record.actions, record.finished)
        if told != (entry.plan.title, actions, entry.outcome.finished):
            self._add(record, f"tells of ledger entry {record.sequence} otherwise than the ledger does")

    def _prune(self, record: records.Pruned) -> None:
        if not self.told.pruned <= record.first < record.record:
            self._add(record, f"says that records before {record.first} were pruned, after {self.told.pruned}")
        self.told.pruned = max(self.told.pruned, min(record.first, record.record))

    def _use(self, uses: Uses) -> None:
        for on, use in uses.items():
            if on.target is not None:
                self.told.conversions += use.records
                self.told.numbers += use.numbers
            self._require_run(use)
            if on.order is not None:
                self._order(on, on.order, use)
            self._require_permitted(on, use)

    def _require_run(self, use: Use) -> None:
        if self._running is False:
            self._add(use.record, f"converted or looked up outside a run ({use.records} records): no start before it")
        elif self._running and not self._loaded_in_run:
            self._add(use.record, "converted or looked up before a ledger was in force")
        if self._lost:
            self._add(use.record, f"converted or looked up while the log could not be written (record {self._lost})")

    def _order(self, on: Terms, digest: str, use: Use) -> None:
        used = self.told.orders[digest] = self.told.orders[digest] + use.numbers
        order = self._orders.get(digest)
        if order is None:
            return
        if used > order.most >= used - use.numbers:
            self._add(use.record, f"the order {digest} allows {order.most} numbers; with these, {used} were asked for")
        for problem in terms.against_order(order, on, use):
            self._add(use.record, f"the order {digest} {problem}")

    def _require_permitted(self, on: Terms, use: Use) -> None:
        """By the ledger in force, or by the one before it: what was under way when it was replaced is told after."""
        if not self._force or (on, self._force[0].sequence) in self._judged:
            return
        problems = [terms.against_ledger(entry.state, on, use) for entry in self._force]
        if all(problems):
            self._add(use.record, f"{problems[0]} (ledger entry {self._force[0].sequence})")
            if len(self._judged) < MOST:
                self._judged.add((on, self._force[0].sequence))

    def end(self) -> None:
        """Nothing comes after: what is still open is wrong."""
        if self._entries is not None and self._whole and self.told.conversions and not self.told.loaded:
            self._findings.add("the whole log", "no ledger was ever loaded")
