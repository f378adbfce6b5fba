"""Exchange (情報連携): what asker, hub and holder say to each other, and what can become of a question.

1. B sends its own number of the person (ssPIN_B), what it wants, and what for.
2. The hub approves it by the table of legal bases, or refuses it.
3. The appliance converts ssPIN_B → sPIN → ssPIN_E; the hub sees the two ends only.
4. The hub passes ssPIN_E to E. E finds the record and answers with ssPIN_E and the data.
5. The hub converts ssPIN_E back, sees that it is ssPIN_B again, and hands B the data.

The states of a question, in the one table that code, documentation and tests share (`MOVES`):

    move      from                                      to                meaning of the target state
    ask       -                                         asked             it has come; nobody has ruled on it
    approve   asked                                     approved          a legal basis allows it
    refuse    asked                                     refused           none does
    send      approved, sent, failed                    sent              it is with the holder
    wait      sent, awaiting_linking                    awaiting_linking  the holder does not know somebody, so far
    answer    approved, sent, awaiting_linking, failed  answered          all that there is was handed out
    fail      approved, sent, failed                    failed            that attempt came to nothing; send it again
    time_out  sent                                      timed_out         the holder took too long
    expire    any that has not ended                    expired           its time is over
    repeat    any                                       as before         under its reference somebody asked in vain

`approved` and `failed` lead to `answered` when none of the numbers is anybody's: then there is nothing to send.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import msgspec

from appliance.hubkit.exchangeerrors import BadQuestion

UNKNOWN_TO_HOLDER = "unknown_to_holder"  # the number is right, but the holder has no such person (yet)
NO_SUCH_ITEM = "no_such_item"  # the holder has the person, but not what was asked for
HANDED_OUT_BEFORE = "handed_out_before"  # by the hub, once; what was lost on the way is asked for anew
ANSWERED = "answered"  # in counts: data were handed out
HOLDER_PROBLEMS = frozenset({UNKNOWN_TO_HOLDER, NO_SUCH_ITEM})
KEY_BYTES = 32
LONGEST_DATA = 1_048_576  # characters about one person

SECTOR = r"[A-Z][A-Za-z0-9]{0,25}"
NAME = r"[a-z][a-z0-9-]{0,31}"
_GENERATION = rf"sspin\.{SECTOR}\.[1-9][0-9]{{0,4}}"
REFERENCE = r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,63}"
_LONG_DIGITS = re.compile(r"[0-9]{9}", re.ASCII)  # resident codes, common numbers and many existing ones are longer
_SHORTEST_NUMBER = 6  # what is shorter may stand in a reference by chance


class State(StrEnum):
    """What has become of a question."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    SENT = "sent"
    AWAITING_LINKING = "awaiting_linking"
    ANSWERED = "answered"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"


ENDED = frozenset({State.REFUSED, State.ANSWERED, State.TIMED_OUT, State.EXPIRED})
"""States that a question does not leave any more."""


class IllegalMove(ValueError):
    """The table has no such move from the question's present state."""


@dataclass(frozen=True, slots=True)
class Move:
    """One row: the states it starts from (None: no such question yet); ``target`` None: the state stays."""

    sources: frozenset[State | None]
    target: State | None


MOVES: Mapping[str, Move] = MappingProxyType(
    {
        "ask": Move(frozenset({None}), State.ASKED),
        "approve": Move(frozenset({State.ASKED}), State.APPROVED),
        "refuse": Move(frozenset({State.ASKED}), State.REFUSED),
        "send": Move(frozenset({State.APPROVED, State.FAILED, State.SENT}), State.SENT),
        "wait": Move(frozenset({State.SENT, State.AWAITING_LINKING}), State.AWAITING_LINKING),
        "answer": Move(frozenset({State.APPROVED, State.FAILED, State.SENT, State.AWAITING_LINKING}), State.ANSWERED),
        "fail": Move(frozenset({State.APPROVED, State.SENT, State.FAILED}), State.FAILED),
        "time_out": Move(frozenset({State.SENT}), State.TIMED_OUT),
        "expire": Move(frozenset(State) - ENDED, State.EXPIRED),
        "repeat": Move(frozenset(State), None),
    }
)


def next_state(move: str, state: State | None) -> State:
    """Where ``move`` leads from ``state``.

    Raises:
        IllegalMove: the table has no such move.
    """
    row = MOVES.get(move)
    if row is None:
        raise IllegalMove(f"{move}: no such move")
    target = row.target or state
    if state not in row.sources or target is None:
        raise IllegalMove(f"{move}: the question is {state or 'not there'}")
    return target


@dataclass(frozen=True, slots=True)
class Question:
    """What a sector asks, about one person or many. ``generation`` (``sspin.B.1``) is that of its numbers.

    ``reference`` (a file number) goes into the records of asker, hub, holder and appliance: the asker uses it once, and
    it must not identify the person by itself. ``key``: 32 random bytes that the asker keeps with its question; the
    hub sees it in passing and does not keep it.

    Raises:
        BadQuestion: a field that cannot be.
    """

    asker: str
    holder: str
    item: str
    purpose: str
    reference: str
    generation: str
    numbers: tuple[str, ...] = field(repr=False)
    key: bytes = field(repr=False, default_factory=lambda: secrets.token_bytes(KEY_BYTES))

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a holder is asked: as the `Question`, about its own numbers (``generation``), with law and time."""

    asker: str
    reference: str
    item: str
    purpose: str
    law: str
    until: datetime
    generation: str
    numbers: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A holder's reply about one of *its* numbers: ``data``, or a ``problem`` (`HOLDER_PROBLEMS`)."""

    number: str = field(repr=False)
    data: str | None = field(repr=False)
    problem: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """About one number of the question: either ``data`` or ``problem``, why there is none.

    ``problem`` is the appliance's code (``unknown_number``, ``malformed_number``), the holder's (`HOLDER_PROBLEMS`), or
    `HANDED_OUT_BEFORE`.
    """

    number: str = field(repr=False)
    data: str | None = field(repr=False)
    problem: str | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """How a question stands. ``answers``: one a number, in order, handed out just now and kept nowhere; or none yet.

    Until it has ended, submit the same question again, before ``until``.
    """

    asker: str
    reference: str
    state: State
    until: datetime
    answers: tuple[Answer, ...] = field(repr=False, default=())


def commitment(question: Question) -> str:
    """A keyed hash (HMAC-SHA-256, hex) of whom exactly the question is about, in which order, and of all its terms.

    With it the hub knows the same question again without keeping whom it is about. Numbers could be tried out one
    by one; 32 random bytes that only the asker has cannot, so to everybody else it is a random string.
    """
    terms = (question.asker, question.holder, question.item, question.purpose, question.reference, question.generation)
    return hmac.digest(question.key, msgspec.json.encode([*terms, *question.numbers]), "sha256").hex()


def _check(question: Question) -> None:
    """No message shows what stood in the field: it might be a person's number."""
    for name, pattern in (
        ("asker", SECTOR),
        ("holder", SECTOR),
        ("item", NAME),
        ("purpose", NAME),
        ("reference", REFERENCE),
        ("generation", _GENERATION),
    ):
        if re.fullmatch(pattern, getattr(question, name), re.ASCII) is None:
            raise BadQuestion(f"{name}: does not have the form {pattern}")
    if not question.numbers or len(question.key) != KEY_BYTES:
        raise BadQuestion(f"a question needs at least one number, and a key of {KEY_BYTES} bytes")
    _check_reference(question.reference.upper(), question.numbers)


def _check_reference(reference: str, numbers: tuple[str, ...]) -> None:
    if _LONG_DIGITS.search(reference) or any(len(n) >= _SHORTEST_NUMBER and n.upper() in reference for n in numbers):
        raise BadQuestion(
            "reference: looks like a person's number, or has one in it",
            "take a file number: it stands in the records of every party and must not say who is meant",
        )
