"""The information-linkage hub (情報連携基盤): rules on questions, carries them to the holder, and hands out answers.

It keeps nothing about anybody. Numbers and data live in local variables until the answer is given; the journal has
neither. So an answer that comes days later is not pushed to the asker: the asker submits the same question again,
and the hub knows by its `commitment` that it is the same. What was approved once is carried for the same people only.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NoReturn

from msgspec.structs import replace

from appliance.hubkit.carrying import Carrying, Holder
from appliance.hubkit.client import Client
from appliance.hubkit.exchange import Answer, Question, State, Ticket, commitment
from appliance.hubkit.exchangeerrors import (
    BadQuestion,
    Expired,
    HolderFailed,
    NotApproved,
    NotConnected,
    ReferenceUsed,
    Why,
)
from appliance.hubkit.hubjournal import HubJournal
from appliance.hubkit.hubmoves import Line, moved
from appliance.hubkit.legalbasis import Basis, LegalBasis, day_of

PATIENCE = 30.0  # seconds


class Hub:
    """The hub's counter. Threads may share it; with a connection each, they share the ``journal`` and have a hub each.

    Whoever puts it behind a network takes ``asker`` from the authenticated connection, never from the message.

    Args:
        client: the appliance, by the hub's own socket.
        table: who may ask whom for what, what for, until when; default deny.
        holders: the sectors that can be asked, by letter.
        journal: what was asked and what became of it; nobody's number.
        patience: seconds that a holder may take while the asker waits.
        clock: the time, with its time zone.
    """

    def __init__(
        self,
        client: Client,
        table: LegalBasis,
        holders: Mapping[str, Holder],
        journal: HubJournal,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._table = table
        self._holders = dict(holders)
        self._journal = journal
        self._patience = patience
        self._clock = clock

    def exchange(self, question: Question) -> list[Answer]:
        """Carry a question through while the asker waits; one answer for each of its numbers, in order.

        Raises:
            TimedOut: the holder took too long, and the question has ended. Otherwise as `submit`.
        """
        return list(self._submit(question, at_once=True).answers)

    def submit(self, question: Question) -> Ticket:
        """Ask, or ask again: the same question may be submitted until it has ended, and goes on where it was.

        The ticket has the answers that there are. Without any, the holder is not ready yet. Somebody whom it does not
        know may be linked later (``awaiting_linking``). Data about each person are handed out once.

        Raises:
            NotApproved (NoBasis, TooMany, ReferenceUsed, …): refused; nothing was converted.
            Expired: its time is over. HolderFailed, HolderConfused: that attempt came to nothing; submit it again.
            BadQuestion, InHand, JournalUnusable: nothing was done.
            Refused, DaemonUnreachable, …: as `Client.convert`; submit it again. In every case nothing was handed out.
        """
        return self._submit(question, at_once=False)

    def state(self, asker: str, reference: str) -> State | None:
        """What has become of a question; None: never heard of. What is overdue expires by being looked at."""
        line = self._journal.last((asker, reference))
        if line is not None:
            self._expire_overdue(line)
        return self._journal.state((asker, reference))

    def expire(self) -> int:
        """Close every question whose time is over; how many. They would also expire by being looked at."""
        return sum(map(self._expire_overdue, self._journal.open_questions()))

    # --- ruling -------------------------------------------------------------------------------------

    def _submit(self, question: Question, at_once: bool) -> Ticket:
        with self._journal.holding((question.asker, question.reference)):
            line, basis = self._admit(question)
            holder = self._holders[question.holder]
            carrying = Carrying(self._client, holder, self._journal, self._clock, self._patience)
            return carrying.carry(question, basis, line, at_once)

    def _admit(self, question: Question) -> tuple[Line, Basis]:
        """The last line of a question that may be carried now, and what allows it."""
        if question.asker not in self._table.sectors:
            raise BadQuestion("asker: no sector of the hub's table")
        key, now = (question.asker, question.reference), self._clock()
        with self._journal.turn:
            state, last = self._journal.state(key), self._journal.last(key)
            if state is None:
                return self._rule(question, now)
            if last is None or not hmac.compare_digest(last.commitment or "", commitment(question)):
                self._repeated(question, now, state, last)
            return self._go_on(question, now, last)

    def _rule(self, question: Question, now: datetime) -> tuple[Line, Basis]:
        asked = self._line(question, now)
        try:
            basis = self._judge(question, now)
            if question.holder not in self._holders:
                raise NotConnected(f"sector {question.holder} is not connected to this hub")
        except NotApproved as refusal:
            self._journal.write(asked, moved(asked, "refuse", now, why=refusal.why))
            raise
        asked = replace(asked, basis=basis.id, until=basis.until(now))
        self._journal.write(asked, approved := moved(asked, "approve", now))
        return approved, basis

    def _judge(self, question: Question, now: datetime, again: bool = False) -> Basis:
        today = day_of(now)
        return self._table.judge(question, now, lambda name: 0 if again else self._journal.people_on(name, today))

    def _line(self, question: Question, now: datetime) -> Line:
        """The first line. What no legal basis has is not written down: it might be anything."""

        def known(field: str, value: str) -> str | None:
            return value if self._table.knows(field, value) else None

        return Line(
            time=now,
            move="ask",
            state=State.ASKED,
            asker=question.asker,
            reference=question.reference,
            holder=known("holder", question.holder),
            item=known("item", question.item),
            purpose=known("purpose", question.purpose),
            people=len(question.numbers),
            commitment=commitment(question),
        )

    def _repeated(self, question: Question, now: datetime, state: State, last: Line | None) -> NoReturn:
        line = last or replace(self._line(question, now), state=state, commitment=None)
        self._journal.write(moved(line, "repeat", now, why=Why.REFERENCE_USED))
        raise ReferenceUsed(question.reference, state)

    def _go_on(self, question: Question, now: datetime, last: Line) -> tuple[Line, Basis]:
        """A question that was interrupted, or that waits; its basis must still be there."""
        if self._expire_overdue(last, held=True):
            raise Expired(f"question {question.reference} has expired", "ask under a new reference")
        try:
            basis = self._judge(question, now, again=last.state is not State.ASKED)
        except NotApproved as refusal:
            self._journal.write(moved(last, "expire", now, why=refusal.why))
            raise Expired(f"question {question.reference} has expired: {refusal.message}", refusal.hint) from None
        if question.holder not in self._holders:  # for now: the question stays as it is
            raise HolderFailed(f"sector {question.holder} is not connected to this hub now", "ask again later")
        if last.state is not State.ASKED:
            return last, basis
        self._journal.write(
            approved := moved(last, "approve", now, basis=basis.id, until=last.until or basis.until(now))
        )
        return approved, basis

    def _expire_overdue(self, line: Line, held: bool = False) -> bool:
        """Whether it was. A question that is being carried looks at the clock itself (``held``: by this very call)."""
        now = self._clock()
        with self._journal.turn:
            if line.until is None or now < line.until or self._journal.last(line.key) is not line:
                return False
            if not held and self._journal.is_held(line.key):
                return False
            self._journal.write(moved(line, "expire", now, why=Why.TOO_LATE))
            return True
