"""Drafting a disclosure order: what the case needs, as the file that people sign."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.ledger import order
from appliance.ledger.order import Order
from appliance.ledger.state import LedgerState
from appliance.ledger.text import render_instant
from keyceremony.errors import DraftRefused
from keyceremony.table.orders import OrderPaper, check_of_use, draft_path


@dataclass(frozen=True)
class Wanted:
    """What an order is to allow. ``begins``: None means from now on."""

    source: str
    target: str
    role: str
    purpose: str
    most: int
    case: str
    begins: datetime | None


def draft(name: Path, wanted: Wanted, ends: datetime | timedelta, state: LedgerState, *, now: datetime) -> OrderPaper:
    """An order that the ledger's policy has a use for; nothing is written. ``ends`` may be a duration.

    Raises:
        MalformedOrder: a field breaks a rule; names it.
        OrderRefused, OrderOfNoUse: it could never be used.
    """
    begins = wanted.begins or now
    drafted = Order(
        type="kagimori/order/v1",
        anchor=state.anchor,
        id=secrets.token_hex(16),
        source=wanted.source,
        target=wanted.target,
        role=wanted.role,
        purpose=wanted.purpose,
        most=wanted.most,
        issued=render_instant(now),
        not_before=render_instant(begins),
        not_after=render_instant(begins + ends if isinstance(ends, timedelta) else ends),
        case=wanted.case,
    )
    paper = OrderPaper(draft_path(name), order.encode(drafted), drafted)
    check_of_use(paper, state, now=now)
    return paper


def instant(option: str, text: str) -> datetime:
    """A time as people give it: ``2026-04-01T09:00:00Z``, or with an offset, ``2026-04-01T18:00+09:00``.

    Raises:
        DraftRefused: no such time, or one that does not say in which zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise DraftRefused(f"{option}: {text!r} is not a time with its zone", "give 2026-04-01T18:00:00+09:00, say")
    return moment.astimezone(UTC)
