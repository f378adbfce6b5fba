"""Which pages there are, in the order of the menu."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appliance.desk.blocks import Section
from appliance.desk.pages import keys, ledger, log, marks, orders, overview, plans, use
from appliance.desk.seen import Seen
from appliance.oversight.report.blocks import Section as ReportSection

Make = Callable[[Seen], tuple[Section | ReportSection, ...]]
PAGES: Mapping[str, Make] = {
    "overview": overview.overview,
    "keys": keys.keys,
    "ledger": ledger.ledger,
    "plans": plans.plans,
    "use": use.use,
    "refusals": use.refusals,
    "unusual": use.unusual,
    "marks": marks.marks,
    "orders": orders.orders,
    "log": log.log,
}


def path_of(name: str) -> str:
    """Where a page is."""
    return "/" if name == "overview" else f"/{name}"
