"""What a witness remembers: the head it signed last, and an alarm if it was ever shown one that disagrees.

``DIR/head.json`` is replaced as a whole and durable before anything is signed. ``DIR/alarm`` makes every run refuse
until a person removes it; ``DIR/evidence/0001/…`` keeps the two signed notes for ever. The folder's loss would let
somebody show the witness another history, so it is never begun anew unless asked.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical
from appliance.ledger.errors import LedgerError
from appliance.ledger.plan import Digest
from appliance.oversight import files
from appliance.oversight.errors import PieceMissing, WitnessAlarmed, WitnessStateUnusable

HEAD, ALARM, EVIDENCE = "head.json", "alarm", "evidence"
_LARGEST = 1024 * 1024
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The newest head that was cosigned (or was about to be when the process died).

    ``root``: hex. ``note``: the log's signed note. ``key``: the log key's generation. ``read``: how many records this
    witness has read itself. ``sequence``, ``ledger``: the newest entry of the ledger and the head after it.
    ``time``: of the last cosignature, seconds since 1970.
    """

    type: Literal["kagimori/witness-head/v1"] = "kagimori/witness-head/v1"
    anchor: Digest
    origin: str
    size: _Number
    root: Digest
    note: str
    key: str
    read: _Number
    sequence: _Number
    ledger: Digest
    time: _Number


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file: the head, and its digest, so that a damaged disk is not taken for a memory."""

    digest: Digest
    head: Head


class WitnessState:
    """The state folder; hold `appliance.oversight.files.locked` on it while using it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def require_calm(self) -> None:
        """Raises WitnessAlarmed if there is an alarm that nobody has settled."""
        if os.path.lexists(self.folder / ALARM):
            said = files.read(self.folder / ALARM, _LARGEST).decode("utf-8", "replace").partition("\n")[0]
            raise WitnessAlarmed(f"an alarm stands, and nothing is signed: {said}", self._settling())

    def read(self) -> Head | None:
        """The head seen last, None if the witness never saw one.

        Raises:
            WitnessStateUnusable: it is damaged; there is no going on without it.
        """
        try:
            kept = canonical.decode(files.read(self.folder / HEAD, _LARGEST), _Kept)
        except PieceMissing:
            return None
        except LedgerError as error:
            raise self._damaged(error.reason) from None
        if kept.digest != _digest(kept.head):
            raise self._damaged("its digest is another one")
        return kept.head

    def _damaged(self, why: str) -> WitnessStateUnusable:
        return WitnessStateUnusable(
            f"{self.folder / HEAD}: damaged: {why}",
            "restore it from your own copy; beginning anew would forget which history was signed",
        )

    def write(self, head: Head) -> None:
        """Remember a head; durable when it returns.

        Raises:
            FolderUnusable: it cannot be written; the one before stands.
        """
        files.replace(self.folder / HEAD, canonical.encode(_Kept(digest=_digest(head), head=head)), 0o600)

    def alarm(self, error: WitnessAlarmed, evidence: Mapping[str, bytes]) -> WitnessAlarmed:
        """Keep the evidence, then the alarm; the error to raise, with what to do next."""
        below = self.folder / EVIDENCE
        files.make_folder(below, 0o700)
        number = next(n for n in range(1, 1_000_000) if not (below / f"{n:04}").exists())
        files.make_folder(below / f"{number:04}", 0o700)
        for name, data in evidence.items():
            files.create(below / f"{number:04}" / name, data, 0o600)
        text = f"{error.message}\nEvidence: {EVIDENCE}/{number:04}\n"
        files.replace(self.folder / ALARM, text.encode("utf-8"), 0o600)
        return type(error)(error.message, self._settling())

    def _settling(self) -> str:
        return (
            f"both signed notes are kept in {self.folder / EVIDENCE}; ask the appliance's operator for an explanation "
            f"in writing; once a person has decided to go on, remove {self.folder / ALARM}"
        )


def _digest(head: Head) -> str:
    return hashlib.sha256(canonical.encode(head)).hexdigest()
