"""How fresh the cosignatures are: of each witness of the policy, the newest one that the copy holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from appliance.oversight.authentic import AuthenticTree
from appliance.oversight.copy import Copy
from appliance.oversight.errors import OversightError
from appliance.oversight.trust import Trust
from appliance.tlog import cosignature, merkle
from appliance.tlog.checkpoint import Checkpoint, parse_text
from appliance.tlog.cosignature import Cosignature
from appliance.tlog.errors import CosignatureInvalid, TlogError
from appliance.tlog.note import KINDS, Note, VerifierKey
from appliance.tlog.note import parse as parse_note

Freshness = Literal["fresh", "late", "overdue", "none", "undemanded"]


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A witness's key, and its newest cosignature in the copy: ``time`` (POSIX seconds) and the tree's ``size``.

    ``fault``: what is wrong with a cosignature in its name.
    """

    name: str
    kind: str
    time: int | None = None
    size: int | None = None
    fault: str = ""


def witnessed(copy: Copy, trust: Trust, tree: AuthenticTree | None, newest: Checkpoint) -> tuple[Witnessed, ...]:
    """Each key that the present policy names as a witness's, in its order."""
    keys = [VerifierKey.parse(vkey) for vkey in trust.state.policy.log.witnesses]
    notes = list(_notes(copy, tree, newest))
    return tuple(_newest(key, notes) for key in keys)


def freshness(time: int | None, now: float, warn: int | None, refuse: int | None) -> Freshness:
    """How a cosignature of that time stands against the policy's two thresholds (seconds) at a moment."""
    if time is None:
        return "none"
    age = now - time
    if refuse is not None and age > refuse:
        return "overdue"
    if warn is not None and age > warn:
        return "late"
    return "fresh" if warn is not None or refuse is not None else "undemanded"


def _notes(copy: Copy, tree: AuthenticTree | None, newest: Checkpoint) -> Iterator[tuple[Note, Checkpoint]]:
    """The notes of the copy whose checkpoint is one of this tree's."""
    for data in (copy.checkpoint(), copy.cosigned()):
        if data is None:
            continue
        try:
            note = parse_note(data)
            checkpoint = parse_text(note.text)
        except TlogError:
            continue
        if checkpoint == newest or _is_earlier(checkpoint, newest, tree):
            yield note, checkpoint


def _is_earlier(checkpoint: Checkpoint, newest: Checkpoint, tree: AuthenticTree | None) -> bool:
    if tree is None or checkpoint.origin != newest.origin or checkpoint.size > newest.size:
        return False
    try:
        return merkle.root(checkpoint.size, tree.subtree) == checkpoint.root
    except (OversightError, TlogError):
        return False


def _newest(key: VerifierKey, notes: list[tuple[Note, Checkpoint]]) -> Witnessed:
    kind = KINDS[key.kind][0].removesuffix(" cosignature")
    found: list[tuple[Cosignature, int]] = []
    fault = ""
    for note, checkpoint in notes:
        try:
            found += [(one, checkpoint.size) for one in cosignature.verified(note, checkpoint, [key])]
        except CosignatureInvalid as error:
            fault = error.message
    if not found:
        return Witnessed(key.name, kind, fault=fault)
    best, size = max(found, key=lambda one: one[0].time)
    return Witnessed(key.name, kind, best.time, size, fault)
