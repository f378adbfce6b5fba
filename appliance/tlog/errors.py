"""Why a log, a proof or a signed note is refused: one exception per control, each saying the rule."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError

_KEEP = "Do not cosign it. Keep the bytes as they are, with the checkpoint before them: they are evidence."


class TlogError(KagimoriError):
    """Something of a transparency log is not what it must be."""

    advice: ClassVar[str | None] = None

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint or self.advice)


class ProofImpossible(TlogError):
    """A proof was asked for that no tree of that size has."""


class InclusionInvalid(TlogError):
    """The proof does not show that the record is in the tree (RFC 9162 section 2.1.3.2)."""

    advice = _KEEP


class ConsistencyInvalid(TlogError):
    """The proof does not show that the later tree only adds to the earlier one (RFC 9162 section 2.1.4.2)."""

    advice = _KEEP


class TileInvalid(TlogError):
    """A tile, an entry bundle or the path of one is not as C2SP tlog-tiles has it."""


class NoteMalformed(TlogError):
    """The bytes are not a signed note (C2SP signed-note)."""


class VerifierKeyInvalid(TlogError):
    """The text is not a verifier key, or the key is of a kind that does not belong here."""

    advice = "Take the key over anew from its holder, whole: <name>+<key ID in hex>+<base64>."


class CheckpointMalformed(TlogError):
    """The text is not a checkpoint (C2SP tlog-checkpoint)."""


class OriginMismatch(TlogError):
    """The checkpoint, or the key, is another log's."""

    advice = "The origin names the ledger's trust anchor and the log: compare both with what you meant to look at."


class SignerUnknown(TlogError):
    """Nobody who is known signed the note."""

    advice = "If the log's key is newer than your ledger, take over the ledger's new files, then try again."


class SignatureInvalid(TlogError):
    """A signature in the name of a known key is not by that key."""

    advice = _KEEP


class CosignatureInvalid(TlogError):
    """A cosignature in the name of a known witness is not by that witness (C2SP tlog-cosignature)."""

    advice = "The witness makes it anew from the newest checkpoint, as the log serves it."
