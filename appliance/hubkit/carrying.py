"""How the hub carries one approved question: to the appliance, to the holder, back to the appliance, to the asker.

A holder is another body. What it says is believed only as far as it can be checked: about whom (converted back, it
must be the asker's own numbers again), what kind of answer (a closed list), how long it took. Its exceptions end
here, without their words.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol, TypeVar

from appliance.hubkit.client import Client
from appliance.hubkit.errors import HubkitError
from appliance.hubkit.exchange import (
    ANSWERED,
    HANDED_OUT_BEFORE,
    HOLDER_PROBLEMS,
    LONGEST_DATA,
    UNKNOWN_TO_HOLDER,
    Answer,
    Asked,
    Question,
    Reply,
    State,
    Ticket,
)
from appliance.hubkit.exchangeerrors import Expired, HolderConfused, HolderFailed, TimedOut, Why
from appliance.hubkit.hubjournal import HubJournal
from appliance.hubkit.hubmoves import Line, moved, places, places_text
from appliance.hubkit.legalbasis import Basis
from appliance.hubkit.wire import Conversion, Converted, Failed, domain_of

T = TypeVar("T")


class Holder(Protocol):
    """What the hub needs of a sector that can be asked; `appliance.hubkit.answering.Answering` is one."""

    @property
    def generation(self) -> str:
        """The key generation of its numbers."""

    def ready(self, asker: str, reference: str) -> bool:
        """Whether asking (again) is worth it: False only while its answer would be the one that it gave before."""

    def answer(self, asked: Asked) -> list[Reply] | None:
        """One reply a number, in order; None: not yet, ask again later."""


class _TooSlow(Exception):
    """The holder has not come back in time."""


class Carrying:
    """One question on its way. ``line``: its last one in the journal, approved or later.

    Args:
        patience: seconds that the holder may take in all.
    """

    def __init__(
        self,
        client: Client,
        holder: Holder,
        journal: HubJournal,
        clock: Callable[[], datetime],
        patience: float,
    ) -> None:
        self._client = client
        self._holder = holder
        self._journal = journal
        self._clock = clock
        self._patience = patience

    def carry(self, question: Question, basis: Basis, line: Line, at_once: bool) -> Ticket:
        """Carry it; ``at_once``: what is not answered now has timed out.

        Raises:
            As `Hub.submit`; the journal says so, and nothing was handed out.
        """
        self._line = line
        left = (self._until - self._clock()).total_seconds()
        self._last_moment = time.monotonic() + min(self._patience, left)
        try:
            return self._carried(question, basis, at_once)
        except (HolderFailed, HolderConfused) as error:
            self._failed(error.why)
            raise
        except HubkitError:
            self._failed(Why.APPLIANCE)
            raise

    def _carried(self, question: Question, basis: Basis, at_once: bool) -> Ticket:
        answers = None
        with suppress(_TooSlow):
            if self._line.state not in {State.SENT, State.AWAITING_LINKING} or self._ready(question):
                answers = self._round_trip(question, basis)
        return self._not_yet(at_once) if answers is None else self._hand_out(question, answers)

    def _ready(self, question: Question) -> bool:
        """Asked before anything is converted: every conversion stands in the person's history."""
        return self._within(lambda: self._holder.ready(question.asker, question.reference)) is not False

    # --- there and back -----------------------------------------------------------------------------

    def _round_trip(self, question: Question, basis: Basis) -> dict[int, Answer] | None:
        """Answers by their places in the question; None: the holder wants more time."""
        generation = self._within(lambda: self._holder.generation)
        if domain_of(generation) != f"sspin.{question.holder}":
            raise self._confused("named a key generation that is not its own")
        still_open = places(self._line.awaited, len(question.numbers))
        numbers = [question.numbers[place] for place in still_open]
        there = self._convert(question, question.generation, generation, numbers)
        theirs = tuple(one.number for one in there.results if isinstance(one, Converted))
        replies = self._replies(question, basis, generation, theirs) if theirs else []
        if replies is None:
            return None
        self._check_back(question, generation, numbers, there, replies)
        return dict(zip(still_open, _put_together(numbers, there, replies), strict=True))

    def _replies(
        self, question: Question, basis: Basis, generation: str, theirs: tuple[str, ...]
    ) -> list[Reply] | None:
        if self._line.state is not State.AWAITING_LINKING:
            self._note("send")
        replies = self._within(lambda: self._holder.answer(self._asked(question, basis, generation, theirs)))
        if replies is not None:
            self._check(replies, theirs)
        return replies

    def _asked(self, question: Question, basis: Basis, generation: str, theirs: tuple[str, ...]) -> Asked:
        head = (question.asker, question.reference, question.item, question.purpose)
        return Asked(*head, basis.law, self._until, generation, theirs)

    def _check(self, replies: Any, theirs: Sequence[str]) -> None:
        if not isinstance(replies, list) or not all(map(_well_formed, replies)):
            raise self._confused("did not answer in the form agreed on")
        if [reply.number for reply in replies] != list(theirs):
            raise self._confused("did not answer about the people asked about")

    def _check_back(
        self,
        question: Question,
        generation: str,
        numbers: Sequence[str],
        there: Conversion,
        replies: Sequence[Reply],
    ) -> None:
        """Convert the holder's numbers back and see that they are the asker's own again."""
        asked = [n for n, one in zip(numbers, there.results, strict=True) if isinstance(one, Converted)]
        having = [(reply.number, n) for reply, n in zip(replies, asked, strict=True) if reply.data is not None]
        if not having:
            return
        back = self._convert(question, generation, question.generation, [number for number, _ in having])
        if [one.number if isinstance(one, Converted) else None for one in back.results] != [n for _, n in having]:
            raise self._confused("answered with a number that is not the one asked about")

    def _convert(self, question: Question, source: str, target: str, numbers: Sequence[str]) -> Conversion:
        return self._client.convert(source, target, numbers, purpose=question.purpose, reference=question.reference)

    def _confused(self, what: str) -> HolderConfused:
        return HolderConfused(f"sector {self._line.holder} {what}", "nothing was handed out; tell that sector")

    # --- the holder, for as long as there is time ---------------------------------------------------

    def _within(self, call: Callable[[], T]) -> T:
        """What a call of the holder gives, in a thread of its own: one that hangs must not hold the hub.

        Raises:
            _TooSlow: nothing yet; whatever comes later is dropped.
            HolderFailed: it raised something, whose words may be about people.
        """
        box: queue.SimpleQueue[tuple[T] | None] = queue.SimpleQueue()
        threading.Thread(target=_into, args=(box, call), daemon=True).start()
        try:
            given = box.get(timeout=max(0.0, self._last_moment - time.monotonic()))
        except queue.Empty:
            raise _TooSlow from None
        if given is None:
            raise HolderFailed(
                f"sector {self._line.holder} could not answer", "nothing was handed out; ask again later"
            )
        return given[0]

    # --- what the journal says ----------------------------------------------------------------------

    @property
    def _until(self) -> datetime:
        until = self._line.until
        assert until is not None, "an approved question has a time"  # noqa: S101 -- Hub._rule sets it
        return until

    def _note(self, move: str, **changes: Any) -> None:
        line = moved(self._line, move, self._clock(), **changes)
        self._journal.write(line)
        self._line = line

    def _failed(self, why: Why | None) -> None:
        """Somebody's linking is still awaited, even if asking again has failed."""
        self._note("wait" if self._line.state is State.AWAITING_LINKING else "fail", why=why)

    def _not_yet(self, at_once: bool) -> Ticket:
        if self._line.state in {State.APPROVED, State.FAILED}:
            raise HolderFailed(f"sector {self._line.holder} did not even say which numbers it has", "ask again later")
        if at_once and self._line.state is State.SENT:
            self._note("time_out", why=Why.HOLDER_SLOW)
        if at_once:
            raise TimedOut(f"sector {self._line.holder} took too long", "nothing was handed out; ask again later")
        return self._ticket()

    def _hand_out(self, question: Question, answers: Mapping[int, Answer]) -> Ticket:
        """First the record, then the answers: what the journal does not have was not handed out."""
        if self._clock() >= self._until:
            self._note("expire", why=Why.TOO_LATE)
            raise Expired(
                f"question {question.reference} expired while the holder answered", "ask under a new reference"
            )
        counts = dict(Counter(one.problem or ANSWERED for one in answers.values()))
        awaited = [place for place, one in answers.items() if one.problem == UNKNOWN_TO_HOLDER]
        if awaited:
            self._note("wait", counts=counts, awaited=places_text(awaited, len(question.numbers)))
        else:
            self._note("answer", counts=counts)
        before = (Answer(number, None, HANDED_OUT_BEFORE) for number in question.numbers)
        return self._ticket(tuple(answers.get(place, one) for place, one in enumerate(before)))

    def _ticket(self, answers: tuple[Answer, ...] = ()) -> Ticket:
        return Ticket(self._line.asker, self._line.reference, self._line.state, self._until, answers)


def _into(box: queue.SimpleQueue[tuple[T] | None], call: Callable[[], T]) -> None:
    try:
        box.put((call(),))
    except BaseException:  # whatever it is, it ends here and its words with it
        box.put(None)


def _well_formed(reply: object) -> bool:
    """Free words in ``problem`` would end up in the journal."""
    if not isinstance(reply, Reply):
        return False
    data: object = reply.data
    if reply.problem is not None:
        return data is None and reply.problem in HOLDER_PROBLEMS
    return isinstance(data, str) and len(data) <= LONGEST_DATA


def _put_together(numbers: Sequence[str], there: Conversion, replies: Sequence[Reply]) -> Iterator[Answer]:
    """The replies in the order of the question, under the asker's own numbers."""
    replied = iter(replies)
    for number, result in zip(numbers, there.results, strict=True):
        if isinstance(result, Failed):
            yield Answer(number, None, result.code)
        else:
            reply = next(replied)
            yield Answer(number, reply.data, reply.problem)
