"""Disclosure orders that requests carry: verified here for a clear refusal, and by the engine for good.

The same order comes with every frame of a stream, so what was verified is remembered by its bytes and the ledger
it was verified against; time is looked at each time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from appliance.daemon.policy import RolePolicy, Route, domain_of
from appliance.daemon.problems import Problem
from appliance.ledger import order as orders
from appliance.ledger.errors import OrderRefused
from appliance.ledger.order import VerifiedOrder

MOST_REMEMBERED = 64
LONGEST_TEXT = 4 * orders.MAXIMUM_SIZE // 3 + 4


class Orders:
    """The orders seen lately."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, bytes], VerifiedOrder] = OrderedDict()

    def accept(self, data: bytes, policy: RolePolicy, route: Route, purpose: str) -> VerifiedOrder:
        """The order, good for this conversion now.

        Raises:
            Problem: order_invalid, order_expired, order_mismatch.
        """
        now = datetime.now(UTC)
        try:
            verified = self._verified(data, policy, now)
            orders.require_time(verified.order, now)
            orders.require_pair(verified.order, domain_of(route.source), domain_of(route.target))
            orders.require_terms(verified.order, policy.role, purpose)
        except OrderRefused as error:
            raise Problem(error.code, error.message) from None
        return verified

    def digest(self, data: bytes) -> str | None:
        """The digest of an order that was accepted lately, for the record of a refusal; None: not known.

        Only what verified once is named: anything else might be anything.
        """
        if not data:
            return None
        wanted = hashlib.sha256(data).digest()
        return next((seen.digest for (_, key), seen in self._seen.items() if key == wanted), None)

    def open(self, used: Callable[[str], int]) -> int:
        """How many of those seen lately are good now and have numbers left; ``used``: how many of an order are."""
        now = datetime.now(UTC)
        known = {one.digest: one.order for one in self._seen.values()}
        left = [one for digest, one in known.items() if used(digest) < one.most]
        return sum(begins <= now <= ends for begins, ends in map(orders.validity, left))

    def _verified(self, data: bytes, policy: RolePolicy, now: datetime) -> VerifiedOrder:
        key = policy.state.head, hashlib.sha256(data).digest()
        if key not in self._seen:
            self._seen[key] = orders.verify(data, policy.state, now=now)
            while len(self._seen) > MOST_REMEMBERED:
                self._seen.popitem(last=False)
        return self._seen[key]


def from_text(text: str | None) -> bytes:
    """The order's bytes as a request carries them, in base64; none: nothing.

    Raises:
        Problem: order_invalid.
    """
    if text is None:
        return b""
    try:
        if len(text) > LONGEST_TEXT:
            raise ValueError
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, UnicodeEncodeError, binascii.Error):
        raise Problem("order_invalid", "order: not base64, or too large to be an order.") from None
