"""No rollback: a ledger must go on from the one seen before. Pure; where it was seen is kept elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from appliance.ledger.errors import LedgerForked, LedgerRolledBack
from appliance.ledger.plan import Digest


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The newest entry seen: its sequence, and the head after it (lower-case hex SHA-256)."""

    sequence: int
    head: Digest


class HasHead(Protocol):
    """An entry of a verified ledger, as far as this module needs it."""

    @property
    def sequence(self) -> int:
        """Its number."""

    @property
    def head(self) -> str:
        """The head after it."""


def require_not_behind(seen: Seen | None, entries: Sequence[HasHead]) -> Seen:
    """What has been seen now, if the verified entries go on from what was seen before.

    Raises:
        LedgerRolledBack: fewer entries than were seen.
        LedgerForked: another entry at the place that was seen.
    """
    newest = Seen(sequence=entries[-1].sequence, head=entries[-1].head)
    if seen is None:
        return newest
    if newest.sequence < seen.sequence:
        raise LedgerRolledBack(f"the ledger ends at {newest.sequence:06d}; {seen.sequence:06d} has been seen already")
    there = next((entry.head for entry in entries if entry.sequence == seen.sequence), None)
    if there != seen.head:
        raise LedgerForked(f"entry {seen.sequence:06d} is another one than was seen: {there} instead of {seen.head}")
    return newest
