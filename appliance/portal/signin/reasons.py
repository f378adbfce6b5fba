"""Why a sign-in is refused: a closed list, and the words that go with each in logs and command lines.

The portal's pages have words of their own for each reason. They are told apart only as far as the visitor has shown
what they have: before a signature verifies, nothing about a certificate is said.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from appliance.errors import KagimoriError


class Reason(StrEnum):
    """Every reason there is, in the order in which the door looks."""

    TOO_MANY = "too_many"
    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_CHALLENGE = "unknown_challenge"
    NOT_YOURS = "not_yours"
    REPLAYED = "replayed"
    TOO_LATE = "too_late"
    OTHER_AUTHORITY = "other_authority"
    NOT_FOR_SIGNING = "not_for_signing"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    CRL_OVERDUE = "crl_overdue"
    REVOKED = "revoked"
    UNKNOWN_HOLDER = "unknown_holder"
    UNAVAILABLE = "unavailable"


_GET_ANOTHER = "get a new challenge from the portal and sign that"
_ASK_OFFICE = "the municipal office that issues the card can tell and renew it"
_WORDS: dict[Reason, tuple[str, str]] = {
    Reason.TOO_MANY: ("too many attempts", "wait a few minutes"),
    Reason.MALFORMED: ("this is not an answer to a challenge", "paste what `appliance card sign` printed, all of it"),
    Reason.BAD_SIGNATURE: ("the signature does not verify", "sign the challenge again"),
    Reason.UNKNOWN_CHALLENGE: ("the challenge is not one of this portal's", _GET_ANOTHER),
    Reason.NOT_YOURS: ("the challenge was given to another browser", _GET_ANOTHER),
    Reason.REPLAYED: ("the challenge was answered before", _GET_ANOTHER),
    Reason.TOO_LATE: ("the challenge has expired", _GET_ANOTHER),
    Reason.OTHER_AUTHORITY: ("the certificate is of another authority", "use the card this portal is meant for"),
    Reason.NOT_FOR_SIGNING: ("the certificate is not for signing in", "use the card's certificate for user proof"),
    Reason.NOT_YET_VALID: ("the certificate is not valid yet", _ASK_OFFICE),
    Reason.EXPIRED: ("the certificate has expired", _ASK_OFFICE),
    Reason.CRL_OVERDUE: (
        "whether the certificate was revoked cannot be told now: no current list",
        "try later; the operator must bring a current revocation list",
    ),
    Reason.REVOKED: ("the certificate was revoked or is on hold", _ASK_OFFICE),
    Reason.UNKNOWN_HOLDER: ("nobody is registered for this card", _ASK_OFFICE),
    Reason.UNAVAILABLE: ("sign-in is not possible now", "try later; the operator must look at the portal's log"),
}


class SignInRefused(KagimoriError):
    """The door stays shut; ``reason`` says why. Nothing about the person or the certificate is in the message."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(*_WORDS[reason])
        self.reason = reason


class AttemptsSpent(SignInRefused):
    """Tried too often. ``first``: the first that was turned away since somebody was let try."""

    def __init__(self, *, first: bool) -> None:
        super().__init__(Reason.TOO_MANY)
        self.first = first


class AnswerRefused(SignInRefused):
    """The answer cannot be read, or its signature does not verify."""


class ChallengeRefused(SignInRefused):
    """The challenge that was answered is not an open one of this browser's."""


class CardRefused(SignInRefused):
    """The card's certificate does not open the door."""


class SignInUnusable(KagimoriError):
    """A file that sign-in rests on cannot be used; the message names it."""

    exit_code: ClassVar[int] = 3
