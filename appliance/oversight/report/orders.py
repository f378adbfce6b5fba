"""Disclosure orders whose signed text is at hand, so that their use in the log can be held against what they allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.ledger import cms, order
from appliance.ledger.chain import Entry
from appliance.ledger.errors import LedgerError, OrderUnsigned
from appliance.ledger.order import Order
from appliance.ledger.state import LedgerState
from appliance.ledger.text import parse_instant
from appliance.oversight import files
from appliance.oversight.errors import PieceWrong


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order, its digest, and the ids of those who signed it."""

    order: Order
    digest: str
    signers: tuple[str, ...]


def read(paths: Iterable[Path], entries: Sequence[Entry]) -> dict[str, HeldOrder]:
    """The orders in the files, by digest; each signed by enough people under the ledger as it was when it was issued.

    Raises:
        OversightError: (a subclass) a file cannot be read, or holds no such order.
    """
    held = (_read(path, entries) for path in paths)
    return {one.digest: one for one in held}


def _read(path: Path, entries: Sequence[Entry]) -> HeldOrder:
    try:
        return open_order(files.read(path, order.MAXIMUM_SIZE), entries)
    except LedgerError as error:
        raise PieceWrong(f"{path}: no disclosure order of this ledger: {error.message}", error.hint) from None


def open_order(data: bytes, entries: Sequence[Entry]) -> HeldOrder:
    """One signed order. Whether it is valid today is not asked: the report looks back.

    Raises:
        LedgerError: (a subclass) it is none, or not of this ledger, or not signed by enough people.
    """
    signed = cms.verify(data)
    content = order.parse(signed.content)
    state = _in_force(content, entries)
    order.require_ledger(content, state)
    counted = order.tally(content, signed.signers, state)
    if not counted.complete:
        raise OrderUnsigned(order.shortage(counted))
    return HeldOrder(content, order.digest(signed.content), tuple(one.person.id for one in counted.approved))


def _in_force(content: Order, entries: Sequence[Entry]) -> LedgerState:
    """The ledger's state when the order was issued."""
    issued = parse_instant("issued", content.issued)
    before = [entry for entry in entries if parse_instant("finished", entry.outcome.finished) <= issued]
    return before[-1].state if before else entries[0].state
