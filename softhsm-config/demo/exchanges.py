"""Exchanges (情報連携) of the demo: everyday traffic between several pairs, and each other way that a question can end.

The demo knows who is who, as nobody in the scheme does, and so compares each piece of data with the truth.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count

import bases
import people
from bases import EXPIRING, MOST_PEOPLE, PAIRS, REFUSED, Pair
from layout import DemoError, Layout
from parties import Parties, Party
from people import Member
from steps import Steps
from summary import Summary, in_words

from appliance.hubkit import Client
from appliance.hubkit.carrying import Holder
from appliance.hubkit.exchange import Answer, Asked, Question, Reply, State, Ticket
from appliance.hubkit.exchangeerrors import HolderFailed, TimedOut
from appliance.hubkit.hub import Hub
from appliance.hubkit.hubjournal import HubJournal

WORKERS = 4
TRIES = 20  # a holder that is being re-keyed asks to be asked again
BREATH = 0.1  # seconds between two questions of a clerk while something else is going on
ASKED_WELL = 0.9  # the share of questions about people whom the holder knows
SLOW = 1.0  # seconds that the hub waits for one that does not answer


class Silent:
    """A holder that takes questions and does not answer them. ``late``: seconds after which it says even that."""

    def __init__(self, party: Party, late: float = 0.0) -> None:
        self._party = party
        self._late = late

    @property
    def generation(self) -> str:
        """As the party's."""
        return self._party.answering.generation

    def ready(self, asker: str, reference: str) -> bool:
        """Never worth asking again."""
        return False

    def answer(self, asked: Asked) -> list[Reply] | None:
        """Not yet."""
        time.sleep(self._late)
        return None


class Exchanges:
    """The hub and its traffic. Each of its clerks has a connection of their own; they share the journal."""

    def __init__(self, layout: Layout, parties: Parties, steps: Steps, summary: Summary) -> None:
        self._layout = layout
        self._parties = parties
        self._steps = steps
        self.summary = summary
        self._bases = bases.write(layout)
        self._journal = HubJournal(layout.hub_journal)
        self._rng = random.Random(people.SEED)  # noqa: S311 -- whom they happen to ask about
        self._linked = {party.letter: [member for member, _ in party.linked()] for party in parties}
        self._known = {pair: self._known_to_holder(pair) for pair in PAIRS}
        self.asked_about = self._anybody_asked_about()

    def close(self) -> None:
        """Give the journal up."""
        self._journal.close()

    @contextmanager
    def hub(self, patience: float = 60.0, **instead: Holder) -> Iterator[Hub]:
        """A hub on a connection of its own. ``instead``: other holders than the parties, by letter."""
        holders: dict[str, Holder] = {party.letter: party.answering for party in self._parties}
        with Client(self._layout.socket("hub"), timeout=60) as client:
            yield Hub(client, self._bases, {**holders, **instead}, self._journal, patience=patience)

    def _known_to_holder(self, pair: Pair) -> list[Member]:
        there = {member.resident for member in self._linked[pair.holder]}
        return [member for member in self._linked[pair.asker] if member.resident in there]

    def _anybody_asked_about(self) -> int:
        """Somebody whom both B and E have linked: the citizen whose history is looked at afterwards."""
        return self._known[PAIRS[0]][0].resident or 0

    # --- everyday traffic ---------------------------------------------------------------------------

    def singles(self, number: int) -> None:
        """Questions about one person each, between all pairs."""
        with self._steps.step(f"Exchanges (情報連携) between {len(PAIRS)} pairs, one person each", number) as step:
            outcomes = self._questions(number, step.advance)
            self.summary.exchanges = {"questions": number, **outcomes}
            step.result = f"{number:,} questions by {WORKERS} clerks: {in_words(outcomes)}"

    def batches(self, most: int) -> None:
        """Questions about many people at once."""
        pair = PAIRS[0]
        members = self._linked[pair.asker][:most]
        with self._steps.step("Exchanges B → E in batches", len(members)) as step, self.hub() as hub:
            outcomes: Counter[str] = Counter()
            for start in range(0, len(members), MOST_PEOPLE):
                batch = members[start : start + MOST_PEOPLE]
                outcomes += self._exchange(hub, pair, f"batch-{start // MOST_PEOPLE}", batch)
                for _ in batch:
                    step.advance()
            self.summary.batch = {"questions": len(members), **outcomes}
            step.result = f"{len(members):,} people, at most {MOST_PEOPLE:,} at once: {in_words(outcomes)}"

    def _questions(self, number: int, advance: Callable[[], None]) -> Counter[str]:
        work = [(f"case-{place:05d}", *self._any_question()) for place in range(1, number + 1)]
        work[0] = (work[0][0], PAIRS[0], self._member("B", self.asked_about))

        def clerk(mine: list[tuple[str, Pair, Member]]) -> Counter[str]:
            outcomes: Counter[str] = Counter()
            with self.hub() as hub:
                for reference, pair, member in mine:
                    outcomes += self._exchange(hub, pair, reference, [member])
                    advance()
            return outcomes

        with ThreadPoolExecutor(WORKERS) as pool:
            return sum(pool.map(clerk, [work[start::WORKERS] for start in range(WORKERS)]), Counter())

    @contextmanager
    def traffic(self) -> Iterator[Counter[str]]:
        """Questions to and from sector E, for as long as the block takes; what has become of them so far.

        Raises:
            DemoError: one of them went wrong.
        """
        about_e = [pair for pair in PAIRS if "E" in (pair.asker, pair.holder)]
        stop, turn, outcomes = threading.Event(), threading.Lock(), Counter[str]()

        def clerk(name: int) -> None:
            rng = random.Random(name)  # noqa: S311 -- as above
            with self.hub() as hub:
                for place in count(1):
                    if stop.is_set():
                        return
                    pair = rng.choice(about_e)
                    became = self._exchange(hub, pair, f"rotation-{name}-{place}", [self._somebody(pair, rng)])
                    with turn:
                        outcomes.update(became)
                    stop.wait(BREATH)

        with ThreadPoolExecutor(WORKERS) as pool:
            clerks = [pool.submit(clerk, name) for name in range(WORKERS)]
            try:
                yield outcomes
            finally:
                stop.set()
            for one in clerks:
                one.result()

    def _any_question(self) -> tuple[Pair, Member]:
        pair = self._rng.choice(PAIRS)
        return pair, self._somebody(pair, self._rng)

    def _somebody(self, pair: Pair, rng: random.Random) -> Member:
        """Mostly somebody whom the holder knows: a sector does not ask at random."""
        return rng.choice(self._known[pair] if rng.random() < ASKED_WELL else self._linked[pair.asker])

    def _exchange(self, hub: Hub, pair: Pair, reference: str, about: list[Member]) -> Counter[str]:
        """One question from the asker's book to its answers, each compared with the truth."""
        ticket, whose = self._put(hub, pair, reference, about)
        return Counter(self._outcome(pair, whose[one.number], one) for one in ticket.answers)

    def _put(self, hub: Hub, pair: Pair, reference: str, about: list[Member]) -> tuple[Ticket, dict[str, Member]]:
        asker = self._parties[pair.asker]
        with asker.sector.turn:  # numbers and their generation are of one moment
            numbers = {asker.number(member.existing)[0]: member for member in about}
            generation = asker.sector.generation
        terms = {"holder": pair.holder, "item": pair.item, "purpose": pair.purpose, "generation": generation}
        question = asker.book.ask(reference=reference, numbers=numbers, **terms)
        for _ in range(TRIES):
            try:
                return asker.book.put(hub.submit, question), numbers
            except HolderFailed:
                time.sleep(0.02)
        raise DemoError(f"sector {pair.holder} does not answer {reference}")

    def _outcome(self, pair: Pair, member: Member, answer: Answer) -> str:
        if answer.data is None:
            return answer.problem or "nothing"
        if member.resident is None or answer.data != self._parties[pair.holder].record(member.resident):
            raise DemoError(f"sector {pair.asker} received somebody else's data")
        return "answered"

    def _member(self, letter: str, resident: int) -> Member:
        return next(member for member in self._linked[letter] if member.resident == resident)

    # --- other ends ---------------------------------------------------------------------------------

    def refused(self) -> None:
        """Questions that no legal basis allows: refused, recorded, and nothing converted."""
        with self._steps.step("Questions without a legal basis") as step, self.hub() as hub:
            for place, one in enumerate(REFUSED):
                reference = f"refused-{place}"
                try:
                    self._put(hub, one.pair, reference, self._linked[one.pair.asker][:1])
                except one.error:
                    self._note(one.name, hub.state(one.pair.asker, reference), State.REFUSED)
                else:
                    raise DemoError(f"{one.name}: was not refused")
            step.result = f"{len(REFUSED)} refused and recorded, nothing converted"

    def too_late(self) -> None:
        """A holder that does not answer: within the time of the legal basis, and while the asker waits."""
        with self._steps.step("A sector that does not answer in time") as step:
            self._expires()
            self._times_out()
            step.result = "one question expired, one timed out; nothing was handed out"

    def _expires(self) -> None:
        with self.hub(C=Silent(self._parties["C"])) as hub:
            ticket, _ = self._put(hub, EXPIRING, "urgent-1", self._linked["D"][:1])
            if ticket.state is not State.SENT or ticket.answers:
                raise DemoError("a question that nobody answered is not under way")
            time.sleep(max(0.0, (ticket.until - datetime.now(UTC)).total_seconds()))
            if list(self._parties["D"].book.collect(hub.submit)):
                raise DemoError("what has expired was asked again")
            self._note("not answered within the time of its basis", hub.state("D", "urgent-1"), State.EXPIRED)

    def _times_out(self) -> None:
        pair, asker = PAIRS[3], self._parties["C"]
        number, generation = asker.number(self._linked["C"][0].existing)
        terms = {"holder": pair.holder, "item": pair.item, "purpose": pair.purpose, "generation": generation}
        question = asker.book.ask(reference="counter-1", numbers=[number], **terms)

        with self.hub(SLOW, A=Silent(self._parties["A"], SLOW * 3)) as hub:

            def at_once(question: Question) -> Ticket:
                hub.exchange(question)
                raise DemoError("a holder that does not answer was waited for")

            with suppress(TimedOut):
                asker.book.put(at_once, question)
            self._note("not answered while the asker waited", hub.state("C", "counter-1"), State.TIMED_OUT)

    def awaiting(self, link_again: Callable[[Party, Member], None]) -> None:
        """Somebody whom E has not linked yet: E looks into it, links them, and the question is answered.

        ``link_again``: what E's clerk and the numbering authority do about one of E's people.
        """
        pair, holder = PAIRS[0], self._parties["E"]
        with self._steps.step("Somebody whom sector E has not linked yet") as step, self.hub() as hub:
            asked, known = self._unlinked_in(holder)
            ticket, whose = self._put(hub, pair, "waiting-1", [asked])
            self._note("sector E does not know the person yet", ticket.state, State.AWAITING_LINKING)
            if [one.reference for one in holder.answering.open_questions()][-1:] != ["waiting-1"]:
                raise DemoError("sector E's book does not have the question that waits")
            link_again(holder, known)
            (ticket,) = (t for t in self._collect(hub, pair.asker) if t.reference == "waiting-1")
            outcomes = Counter(self._outcome(pair, whose[one.number], one) for one in ticket.answers)
            self._note("the same, after the linking of that person", ticket.state, State.ANSWERED)
            step.result = f"awaiting linking; corrected and linked by E's clerk; {in_words(outcomes)}"

    def _collect(self, hub: Hub, letter: str) -> list[Ticket]:
        return list(self._parties[letter].book.collect(hub.submit))

    def _unlinked_in(self, holder: Party) -> tuple[Member, Member]:
        """Somebody whom B has linked, and who is for inquiry at ``holder``; as B and as that sector know them."""
        linked = {member.existing for member, _ in holder.linked()}
        for member in self._linked["B"]:
            known = None if member.resident is None else holder.knows(member.resident)
            if known is not None and known.existing not in linked and not known.sure:
                return member, known
        raise DemoError("sector E has linked everybody; there are too few residents for this")

    def _note(self, name: str, state: State | None, expected: State) -> None:
        if state is not expected:
            raise DemoError(f"{name}: the question is {state}, not {expected}")
        self.summary.outcomes[name] = str(state)
