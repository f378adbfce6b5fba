"""Disclosure orders as the engine sees them: verified by its own reading of the ledger, and counted.

The daemon checks role, purpose and what is left of an order over all its life; role and purpose an engine does not
know. It checks the rest again, so that a daemon in an attacker's hands discloses nothing without an order. The
count here is of one engine process since its start: defence in depth, not the count that the log keeps.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from appliance.engine.frames import Refused
from appliance.ledger import order as orders
from appliance.ledger.errors import OrderRefused
from appliance.ledger.order import VerifiedOrder
from appliance.ledger.policy import discloses
from appliance.ledger.state import LedgerState

MOST_REMEMBERED = 64


class Orders:
    """The orders that came with questions. For one thread, under one ledger."""

    def __init__(self, state: LedgerState, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._state = state
        self._now = now
        self._verified: OrderedDict[bytes, VerifiedOrder] = OrderedDict()
        self._used: Counter[str] = Counter()

    def admit(self, der: bytes, source: str, target: str, count: int) -> VerifiedOrder | None:
        """The order under which so many numbers may be converted between these domains; None: none is needed.

        They count from now on, so that what is asked in the middle of it finds no more than is left; see `settle`.

        Raises:
            Refused: order_required, order_invalid, order_expired, order_mismatch, order_exhausted.
        """
        if not der:
            if discloses(self._state.tree, target):
                raise Refused("order_required")
            return None
        now = self._now()
        try:
            verified = self._verify(der, now)
            orders.require_time(verified.order, now)
            orders.require_pair(verified.order, source, target)
        except OrderRefused as error:
            raise Refused(error.code) from None
        if self._used[verified.digest] + count > verified.order.most:
            raise Refused("order_exhausted")
        self._used[verified.digest] += count
        return verified

    def settle(self, verified: VerifiedOrder, count: int, converted: int) -> None:
        """Of ``count`` numbers admitted under it only ``converted`` were: the others count no longer."""
        self._used[verified.digest] -= count - converted

    def _verify(self, der: bytes, now: datetime) -> VerifiedOrder:
        """Remembered by its bytes, since each frame of a stream brings the same ones; time is looked at each time."""
        key = hashlib.sha256(der).digest()
        found = self._verified.get(key)
        if found is None:
            found = self._verified[key] = orders.verify(der, self._state, now=now)
            if len(self._verified) > MOST_REMEMBERED:
                self._verified.popitem(last=False)
        self._verified.move_to_end(key)
        return found
