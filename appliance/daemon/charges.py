"""Quotas and orders: numbers are taken from them before they are converted, and counted when the record is durable.

What is under way counts as used, so that requests side by side cannot exceed a limit together. What comes to
nothing (an engine lost, an audit log that cannot write) is given back. Quotas are for a day, in UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from appliance.audit import records
from appliance.audit.tally import Tally
from appliance.daemon.problems import Problem
from appliance.ledger.order import VerifiedOrder
from appliance.ledger.policy import RoleRule

Key = tuple[str, ...]


class Charges:
    """What is used of quotas and orders. For the event loop's thread.

    ``recorded`` is told of each conversion whose record is durable.
    """

    def __init__(
        self,
        tally: Tally,
        recorded: Callable[[records.Conversion], None] = lambda record: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.tally = tally
        self._recorded = recorded
        self._now = now
        self._pending: Counter[Key] = Counter()

    def take(self, role: str, rule: RoleRule, purpose: str, count: int, order: VerifiedOrder | None) -> Charge:
        """Take ``count`` numbers from the role's quotas and from the order.

        Raises:
            Problem: quota_exhausted, order_exhausted; then nothing was taken.
        """
        keys: list[Key] = []
        for whose, most in ((None, rule.values_per_day), (purpose, rule.purpose_values_per_day.get(purpose))):
            if most is not None:
                key: Key = ("quota", role) if whose is None else ("quota", role, whose)
                now = self._now()
                used = self.tally.on_day(now.date().isoformat(), role, whose) + self._pending[key]
                _require_quota(used + count, most, now, whose)
                keys.append(key)
        if order is not None:
            keys.append(self._order(order, count))
        for key in keys:
            self._pending[key] += count
        return Charge(self, tuple(keys), count)

    def _order(self, order: VerifiedOrder, count: int) -> Key:
        key = ("order", order.digest)
        left = order.order.most - self.tally.used(order.digest) - self._pending[key]
        if count > left:
            raise Problem("order_exhausted", f"order: {max(left, 0)} of {order.order.most} numbers are left.")
        return key

    def settle(self, charge: Charge, record: records.Conversion | None) -> None:
        """What was under way is so no more: its record is durable, or there will be none."""
        for key in charge.keys:
            self._pending[key] -= charge.count
        if record is not None:
            self.tally.take(record)
            self._recorded(record)


class Charge:
    """Numbers taken. A context manager: what was not committed to a record by the end is given back."""

    def __init__(self, charges: Charges, keys: tuple[Key, ...], count: int) -> None:
        self.keys = keys
        self.count = count
        self._charges = charges
        self._committed = False

    def commit(self, record: records.Conversion) -> Callable[[bool], None]:
        """From here on the record's fate decides: to be called with whether it is durable."""
        self._committed = True
        return lambda durable: self._charges.settle(self, record if durable else None)

    def __enter__(self) -> Charge:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give it back, unless a record is on its way."""
        if not self._committed:
            self._committed = True
            self._charges.settle(self, None)


def _require_quota(wanted: int, most: int, now: datetime, purpose: str | None) -> None:
    if wanted > most:
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        what = "This role" if purpose is None else f"This role, for {purpose},"
        raise Problem(
            "quota_exhausted",
            f"{what} may convert {most} numbers a day (UTC), and they are used up or would be.",
            retry_after=max(1, int((midnight - now).total_seconds())),
        )
