"""Exchange (情報連携): sector B asks for data that sector E holds, and neither learns the other's number.

1. B sends its own number of the person (ssPIN_B) and what it wants.
2. The hub approves: may B ask E for that, and what for? What no rule names is refused.
3. The appliance converts ssPIN_B → sPIN → ssPIN_E; the hub sees the two ends only.
4. The hub passes ssPIN_E to E. E finds the record and answers with ssPIN_E and the data.
5. The hub converts ssPIN_E back, sees that it is ssPIN_B again, and hands B the data.

The hub keeps no personal data: its journal says which sectors exchanged what kind of thing, when, why and
how many; no number, no name, no data. Everything else lives in local variables until the answer is given.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from appliance.errors import KagimoriError
from appliance.hubkit.client import Client
from appliance.hubkit.wire import Conversion, Converted, Failed, domain_of

UNKNOWN_TO_HOLDER = "unknown_to_holder"  # the number is right, but the holder has no such person
NO_SUCH_ITEM = "no_such_item"  # the holder has the person, but not what was asked for


class ExchangeError(KagimoriError):
    """An exchange that did not take place."""


class NotApproved(ExchangeError):
    """No rule lets this sector ask that one for this, for this purpose."""


class HolderConfused(ExchangeError):
    """The holder's answer is not about the people asked about. Nothing of it was passed on."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One permission: ``asker`` (``B``) may ask ``holder`` (``E``) for ``item``, for ``purpose``."""

    asker: str
    holder: str
    item: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a sector asks, about one person or many. ``generation`` (``sspin.B.1``) is that of its numbers.

    ``reference`` (a file number) goes into audit records: it must not identify the person by itself.
    """

    asker: str
    holder: str
    item: str
    purpose: str
    reference: str
    generation: str
    numbers: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """About one number of the question: either ``data`` or ``problem``, why there is none.

    ``problem`` is the appliance's code (``unknown_number``, ``malformed_number``) or this module's
    (`UNKNOWN_TO_HOLDER`, `NO_SUCH_ITEM`).
    """

    number: str = field(repr=False)
    data: str | None = field(repr=False)
    problem: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A holder's reply about one of *its* numbers: ``data``, or a ``problem``."""

    number: str = field(repr=False)
    data: str | None = field(repr=False)
    problem: str | None


class Holder(Protocol):
    """What the hub needs of a sector that can be asked; `appliance.hubkit.sector.Sector` is one."""

    @property
    def generation(self) -> str:
        """The key generation of its numbers."""

    def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
        """One reply a number, in order."""


class Hub:
    """The information-linkage hub (情報連携基盤).

    Args:
        client: the appliance, by the hub's own socket.
        rules: who may ask whom for what; default deny.
        holders: the sectors that can be asked, by letter.
        journal: a file of JSON lines, one for each question; created with mode 0600.
    """

    def __init__(self, client: Client, rules: Iterable[Rule], holders: Mapping[str, Holder], journal: Path) -> None:
        self._client = client
        self._rules = frozenset(rules)
        self._holders = dict(holders)
        self._journal = journal
        journal.touch(mode=0o600)

    def exchange(self, question: Question) -> list[Answer]:
        """Carry a question through; one answer for each of its numbers, in order.

        Raises:
            NotApproved: no rule allows it. HolderConfused: the holder answered about other people.
            Refused, DaemonUnreachable, …: as `Client.convert`. In every case nothing was handed out.
        """
        try:
            holder = self._approve(question)
            answers = self._carry(question, holder)
        except KagimoriError as error:
            self._note(question, {type(error).__name__: len(question.numbers)})
            raise
        self._note(question, Counter(one.problem or "answered" for one in answers))
        return answers

    def _approve(self, question: Question) -> Holder:
        wanted = Rule(question.asker, question.holder, question.item, question.purpose)
        if wanted not in self._rules or question.holder not in self._holders:
            raise NotApproved(
                f"sector {wanted.asker} may not ask sector {wanted.holder} for {wanted.item!r} ({wanted.purpose})"
            )
        if domain_of(question.generation) != f"sspin.{question.asker}":
            raise NotApproved(f"sector {question.asker} must ask with numbers of sspin.{question.asker}")
        return self._holders[question.holder]

    def _carry(self, question: Question, holder: Holder) -> list[Answer]:
        there = self._convert(question, question.generation, holder.generation, question.numbers)
        theirs = [one.number for one in there.results if isinstance(one, Converted)]
        replies = holder.answer(question.item, theirs) if theirs else []
        if [reply.number for reply in replies] != theirs:
            raise HolderConfused(f"sector {question.holder} did not answer about the people asked about")
        asked = [n for n, one in zip(question.numbers, there.results, strict=True) if isinstance(one, Converted)]
        self._check_back(question, holder, replies, asked)
        return list(_put_together(question.numbers, there, replies))

    def _check_back(self, question: Question, holder: Holder, replies: Sequence[Reply], asked: Sequence[str]) -> None:
        """Convert the holder's numbers back and see that they are the asker's own again."""
        having = [
            (reply.number, number) for reply, number in zip(replies, asked, strict=True) if reply.data is not None
        ]
        if not having:
            return
        back = self._convert(question, holder.generation, question.generation, [number for number, _ in having])
        if [_number(one) for one in back.results] != [number for _, number in having]:
            raise HolderConfused(f"a number that sector {question.holder} answered with is not the one asked about")

    def _convert(self, question: Question, source: str, target: str, numbers: Sequence[str]) -> Conversion:
        return self._client.convert(source, target, numbers, purpose=question.purpose, reference=question.reference)

    def _note(self, question: Question, counts: Mapping[str, int]) -> None:
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "asker": question.asker,
            "holder": question.holder,
            "item": question.item,
            "purpose": question.purpose,
            "reference": question.reference,
            "counts": dict(counts),
        }
        try:
            with self._journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as error:
            raise ExchangeError(f"the hub's journal {self._journal} cannot be written ({error.strerror})") from None


def _number(result: Converted | Failed) -> str | None:
    return result.number if isinstance(result, Converted) else None


def _put_together(numbers: Sequence[str], there: Conversion, replies: Sequence[Reply]) -> Iterator[Answer]:
    """The replies in the order of the question, under the asker's own numbers."""
    replied = iter(replies)
    for number, result in zip(numbers, there.results, strict=True):
        if isinstance(result, Failed):
            yield Answer(number, None, result.code)
        else:
            reply = next(replied)
            yield Answer(number, reply.data, reply.problem)
