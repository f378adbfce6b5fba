"""What a ceremony refuses, one named error per control, so that a reader can grep from claim to code to test."""

from __future__ import annotations

from appliance.errors import KagimoriError


class CeremonyError(KagimoriError):
    """Anything a ceremony refuses or cannot do; nothing was changed unless the message says so."""


class UsageProblem(CeremonyError):
    """Options are missing or do not go together."""

    exit_code = 2


class FileProblem(CeremonyError):
    """A file or folder cannot be read or written."""


class OutputExists(CeremonyError):
    """A file to be written is there already; evidence is never overwritten."""


class SecretRefused(CeremonyError):
    """A PIN or passphrase cannot be taken: no terminal, a file others can read, too short, wrong."""

    exit_code = 5


class CardRefused(CeremonyError):
    """A participant card that is not one, or whose certificate does not hold."""


class SetupRefused(CeremonyError):
    """The set-up file of a genesis is not acceptable."""


class DraftRefused(CeremonyError):
    """The actions asked for cannot be planned."""


class PlanRefused(CeremonyError):
    """The plan file is not a plan, or not one for this ledger."""


class WordsWrong(CeremonyError):
    """The words typed are not those of this plan."""


class NotInRoster(CeremonyError):
    """The person is not one of those who decide."""


class KeyNotTheirs(CeremonyError):
    """The key presented does not belong to the person named."""


class AlreadyApproved(CeremonyError):
    """The person has approved this plan before."""


class ApprovalRefused(CeremonyError):
    """An approval file is not one for this plan."""


class PlanAltered(CeremonyError):
    """The plan file is not, byte for byte, what was approved."""


class CeremonyBusy(CeremonyError):
    """Another execute runs on this ledger."""


class TokenNotEmpty(CeremonyError):
    """Genesis needs a token without keys."""


class KeyLabelTaken(CeremonyError):
    """The token already holds a key of that name which the ledger does not know."""


class SelfTestFailed(CeremonyError):
    """A key just made does not convert, or is not a new one."""


class ExecutionFailed(CeremonyError):
    """A plan could not be carried out to its end; says what became of the keys made on the way."""


class HeadMismatch(CeremonyError):
    """The ledger is older than, or forked from, the head one was told to expect."""

    exit_code = 4


class InterruptedRun(CeremonyError):
    """An execute was cut off, or could not finish tidying up; resume or abort it."""


class ShareRefused(CeremonyError):
    """A share of a PIN is not one, or the shares do not make the token's PIN."""

    exit_code = 5


class PinUnchanged(CeremonyError):
    """A new PIN was not set; the one before still holds, and no share file of the new one is left."""

    exit_code = 5


class PinUncertain(CeremonyError):
    """The token was lost, or does not take its new PIN, just after it was set; the shares are kept."""

    exit_code = 5


class JournalDamaged(CeremonyError):
    """The journal of an execute that was cut off cannot be read."""


class JournalMismatch(CeremonyError):
    """The journal says one thing and a token another."""


class NothingToResume(CeremonyError):
    """No execute was cut off on this ledger."""


class PastReturn(CeremonyError):
    """Keys have been destroyed already, or the outcome is signed: a run can only be completed."""


class CopyMismatch(CeremonyError):
    """A copy is another key than it should be, or one is where none may be."""


class TransportKeyAltered(CeremonyError):
    """The trusted key on the appliance's token is not the transport key that was enrolled."""


class ScratchNotEmpty(CeremonyError):
    """Something is left on the scratch token of a drill."""


class NoteRefused(CeremonyError):
    """A note cannot be taken down."""


class SubjectWrong(CeremonyError):
    """What was typed is not what a grave action of the plan is about."""


class RenewalRefused(CeremonyError):
    """A plan cannot be drafted anew: it is still good, was carried out, or would undo what came in between."""


class AlreadyRefused(CeremonyError):
    """The person has refused this plan before."""


class CollectionIncomplete(CeremonyError):
    """Some of the files to be collected were not taken; the others were."""


class OrderOfNoUse(CeremonyError):
    """Under the present policy the order would allow nothing, or nothing that is not allowed without it."""
