"""What oversight refuses or cannot use: one exception per control, each naming the piece and the rule."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError


class OversightError(KagimoriError):
    """Base of everything that oversight finds wrong."""


class FolderUnusable(OversightError):
    """A file or folder of the oversight body's own cannot be read or written."""

    exit_code: ClassVar[int] = 3


class OutputExists(FolderUnusable):
    """A file to be written is there already; keys and evidence are never overwritten."""


class FolderBusy(FolderUnusable):
    """Another process works on the same folder."""


class SecretRefused(OversightError):
    """A passphrase cannot be taken: no terminal, a file others can read, too short, wrong."""

    exit_code: ClassVar[int] = 5


class KeyUnusable(OversightError):
    """A witness's key file is not one, or does not fit the other one."""

    exit_code: ClassVar[int] = 3


class PieceMissing(OversightError):
    """A tile, a bundle or a file of the log is not there."""


class PiecePruned(PieceMissing):
    """The daemon says that these records are older than the retention and were removed (410)."""


class PieceWrong(OversightError):
    """A tile, a bundle or a file is there, but is not the one that belongs there."""


class RecordWrong(OversightError):
    """An entry of the log is not a record, not in its one form, or stands in another record's place."""


class CheckpointRefused(OversightError):
    """A checkpoint is not signed by a key that the ledger names, or is of another log."""


class CosignatureRefused(OversightError):
    """A cosignature is missing, wrong, or by somebody who is no witness."""


class WitnessStateUnusable(OversightError):
    """What the witness remembers cannot be read or written, or is of another log."""

    exit_code: ClassVar[int] = 3


class WitnessAlarmed(OversightError):
    """The witness saw two heads that disagree, and signs nothing until a person has settled it."""


class LogShrunk(WitnessAlarmed):
    """The log offers a smaller tree than the one that was seen: records are gone."""


class LogForked(WitnessAlarmed):
    """Two signed heads of one log that cannot both be true: it shows different records to different readers."""


class ClockBehind(OversightError):
    """The witness's clock is behind its own last cosignature."""
