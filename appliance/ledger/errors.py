"""Why a ledger is refused: one exception per control, each naming the file and the reason.

The pure checks do not know which file their bytes came from; the chain names it on the way out
(`naming`). Tests, documentation and log lines use these same names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from appliance.errors import KagimoriError


class LedgerError(KagimoriError):
    """The ledger, or a file meant for it, is refused. ``file`` is None until the chain names it."""

    exit_code: ClassVar[int] = 4
    advice: ClassVar[str | None] = None

    def __init__(self, reason: str, hint: str | None = None, *, file: str | None = None) -> None:
        super().__init__(reason, hint or self.advice)
        self.reason = reason
        self.file: str | None = None
        if file is not None:
            self.locate(file)

    def locate(self, file: str) -> None:
        """Name the file, unless a deeper check has named it already."""
        if self.file is None:
            self.file = file
            self.message = f"{file}: {self.reason}"
            self.args = (self.message,)


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Give every LedgerError raised inside the name of the file concerned."""
    try:
        yield
    except LedgerError as error:
        error.locate(file)
        raise


class LedgerUnreadable(LedgerError):
    """The operating system would not give or take a file of the ledger."""


class LedgerIncomplete(LedgerError):
    """A file is missing, or one is there that does not belong."""

    advice = "Restore the ledger folder from a copy; every holder of a copy can check it with `keyceremony verify`."


class LedgerExists(LedgerError):
    """An entry of that sequence is already there; nothing is ever overwritten."""


class NotCanonical(LedgerError):
    """The bytes are not the one encoding of what they say (RFC 8785 for JSON, DER for CMS)."""

    advice = "The file was changed or not made by Kagimori; restore it from a copy."


class Malformed(LedgerError):
    """The content does not have the shape it must have."""


class MalformedPlan(Malformed):
    """The plan does not have the shape, or breaks a rule, of a plan."""


class MalformedOutcome(Malformed):
    """The outcome does not have the shape, or breaks a rule, of an outcome."""


class MalformedAnnex(Malformed):
    """An annex does not have the shape it must have."""


class AnnexMismatch(LedgerError):
    """Annexes are there that the outcome does not list, or the other way round, or one lies in another's place."""

    advice = LedgerIncomplete.advice


class MalformedCms(Malformed):
    """The file is not CMS SignedData of the one form that is accepted."""

    advice = NotCanonical.advice


class CertificateInvalid(LedgerError):
    """A certificate cannot be read, or its key or form is not allowed."""


class SignatureInvalid(LedgerError):
    """A signature does not fit the content and the certificate."""

    advice = NotCanonical.advice


class StrangeSigner(LedgerError):
    """Signed by somebody who is not in the roster, or not by the appliance's identity key."""


class ApprovedTwice(LedgerError):
    """One person, or one public key, approved more than once."""


class ApprovalUntimely(LedgerError):
    """An approval was signed outside the plan's or the certificate's validity, or after execution."""


class QuorumShort(LedgerError):
    """Too few officers or oversight members approved."""


class RosterInvalid(LedgerError):
    """The roster breaks a rule."""


class DomainsInvalid(LedgerError):
    """The domains do not make a usable tree."""


class PolicyInvalid(LedgerError):
    """The conversion policy breaks a rule."""


class WrongPrevious(LedgerError):
    """The plan continues another ledger than this one."""


class WrongSequence(LedgerError):
    """The plan's or the outcome's number does not fit its place."""


class WrongAnchor(LedgerError):
    """The ledger's genesis is not the pinned one."""

    advice = "Compare the trust anchor in the configuration with the one read aloud at the genesis ceremony."


class RehearsalMixed(LedgerError):
    """A rehearsal's plan in a real ledger, or the other way round."""


class PlanExpired(LedgerError):
    """The plan was, or would be, carried out after it expired."""

    advice = "Draft the plan again and have it approved again."


class NotYetValid(LedgerError):
    """The plan, or an approval of it, claims a time that has not come."""

    advice = "Check the clocks of the machines that drafted, approved and carried out the plan."


class WrongToken(LedgerError):
    """The outcome was made on another token than the appliance's."""


class OutcomeMismatch(LedgerError):
    """The outcome does not say of this plan's actions, one by one, what had to happen."""


class AttributesRefused(LedgerError):
    """A key's attributes, as read back from the token, break the rule for conversion keys."""


class KeyReused(LedgerError):
    """A key identifier or check value that the ledger has already."""


class IllegalAction(LedgerError):
    """The transition table, or a rule about generations, forbids an action of the plan."""


class LedgerRolledBack(LedgerError):
    """The ledger is shorter than one seen before."""

    advice = "Somebody put back an old copy. Restore the newest copy; do not delete the record of what was seen."


class LedgerForked(LedgerError):
    """The ledger differs from one seen before."""

    advice = "Two ledgers claim the same place. Stop, and compare with the copies of the oversight body."


class OrderRefused(LedgerError):
    """A disclosure order does not allow what is asked. ``code`` is what a caller of the daemon is answered."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "order_invalid"


class MalformedOrder(OrderRefused, Malformed):
    """The order is not in its one form: canonical JSON in CMS SignedData, no byte without meaning."""

    advice = "Take the order file as `keyceremony order finish` wrote it, or draft and sign the order anew."


class OrderElsewhere(OrderRefused):
    """The order was made for another ledger than this one."""

    advice = "Compare the trust anchors; an order of a rehearsal is good for that rehearsal only."


class OrderTooLong(OrderRefused):
    """The order would be valid for longer than the policy lets any order be."""

    advice = "Draft a shorter order, and another one when it has ended."


class OrderSignerRefused(OrderRefused):
    """A signature under the order does not count: a stranger's, a second one of a person or key, or untimely."""

    advice = "Have the order signed by people of the present roster, each once, with their present certificates."


class OrderUnsigned(OrderRefused):
    """Too few people of oversight, or too few officers, signed the order."""

    advice = "Have the missing people sign it: keyceremony order sign."


class OrderExpired(OrderRefused):
    """The order's validity has ended."""

    code = "order_expired"
    advice = "Draft and sign a new order, if the disclosure is still needed."


class OrderNotYetValid(OrderRefused):
    """The order's validity, or a signature under it, begins later than now."""

    code = "order_expired"
    advice = "Wait until then; or check the clocks, of this machine and of those on which it was signed."


class OrderMismatch(OrderRefused):
    """The order is for another conversion, role or purpose than the one that is asked for."""

    code = "order_mismatch"
    advice = "Ask for what the order names, or have an order signed for what is needed."


class CensusRefused(LedgerError):
    """The census does not speak of this retirement, or speaks against it."""


class MalformedCensus(CensusRefused, Malformed):
    """The file is no census."""

    advice = "Take the file that the bulk job wrote, as it is."
