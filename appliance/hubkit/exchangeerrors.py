"""Why an exchange does not take place: one class for each thing that an asker does next.

Each has a ``why``, the word for it in the hub's journal; none has anybody's number in it, nor a holder's own words.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from appliance.errors import KagimoriError


class Why(StrEnum):
    """The closed list of reasons in the hub's journal."""

    NO_BASIS = "no_basis"
    BASIS_NOT_YET = "basis_not_yet"
    BASIS_OVER = "basis_over"
    WRONG_GENERATION = "wrong_generation"
    TOO_MANY = "too_many"
    NOT_CONNECTED = "not_connected"
    REFERENCE_USED = "reference_used"
    TOO_LATE = "too_late"
    HOLDER_SLOW = "holder_slow"
    HOLDER_FAILED = "holder_failed"
    HOLDER_CONFUSED = "holder_confused"
    APPLIANCE = "appliance"


class ExchangeError(KagimoriError):
    """An exchange that did not take place. Nothing was handed out."""

    why: ClassVar[Why | None] = None


class BadQuestion(ExchangeError):
    """Not a question at all: a field that cannot be. It is recorded nowhere, since it may hold anything."""


class NotApproved(ExchangeError):
    """The hub refuses the question. Nothing was converted."""


class NoBasis(NotApproved):
    """No legal basis lets this sector ask that one for this, for this purpose."""

    why = Why.NO_BASIS


class BasisNotYet(NotApproved):
    """There is a legal basis, but it is not valid yet."""

    why = Why.BASIS_NOT_YET


class BasisOver(NotApproved):
    """There was a legal basis, but it is not valid any more."""

    why = Why.BASIS_OVER


class WrongGeneration(NotApproved):
    """A sector must ask with numbers of its own."""

    why = Why.WRONG_GENERATION


class TooMany(NotApproved):
    """More people than the legal basis allows, in one question or in a day."""

    why = Why.TOO_MANY


class NotConnected(NotApproved):
    """The sector asked is not connected to this hub."""

    why = Why.NOT_CONNECTED


class ReferenceUsed(NotApproved):
    """The reference belongs to another question, or to one that has ended. ``state``: of that question."""

    why = Why.REFERENCE_USED

    def __init__(self, reference: str, state: str) -> None:
        super().__init__(
            f"reference {reference} was used before; that question is {state}", "ask under a new reference"
        )
        self.state = state


class Expired(ExchangeError):
    """The question's time is over: the basis gave it no more, or is itself no longer valid."""

    why = Why.TOO_LATE


class TimedOut(ExchangeError):
    """The holder took longer than the question had."""

    why = Why.HOLDER_SLOW


class HolderFailed(ExchangeError):
    """The holder could not answer."""

    why = Why.HOLDER_FAILED


class HolderConfused(ExchangeError):
    """The holder's answer is not about the people asked about, or is none. Nothing of it was passed on."""

    why = Why.HOLDER_CONFUSED


class InHand(ExchangeError):
    """The same question is being carried at this moment."""


class JournalUnusable(ExchangeError):
    """The hub's journal cannot be read or written, or another hub writes it: without a record nothing is exchanged."""


class JournalDamaged(JournalUnusable):
    """A line of the hub's journal is not what a hub writes."""


class BookError(ExchangeError):
    """A sector's own book of exchanges: something that would spoil it. Nothing was stored."""


class AnswerRefused(BookError):
    """An answer is not about those whom this sector asked about under that reference. Nothing of it was stored."""
