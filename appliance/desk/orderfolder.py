"""The disclosure orders that oversight has signed, out of a folder of its own: each verified once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from appliance.errors import KagimoriError
from appliance.ledger.chain import Entry
from appliance.ledger.order import MAXIMUM_SIZE
from appliance.oversight import files
from appliance.oversight.report import orders
from appliance.oversight.report.orders import HeldOrder

SUFFIX = ".order.cms"
MOST_ORDERS = 1_000
MOST_TOLD = 20


class OrderFolder:
    """The files ``*.order.cms`` of a folder (None: there is none)."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[bytes, HeldOrder] = {}

    def read(self, entries: Sequence[Entry]) -> tuple[Mapping[str, HeldOrder], tuple[str, ...]]:
        """The orders by digest, and why a file is none; files that are none are named, not counted."""
        held: dict[str, HeldOrder] = {}
        known: dict[bytes, HeldOrder] = {}
        strange: list[str] = []
        for path in self._paths(strange):
            try:
                data = files.read(path, MAXIMUM_SIZE, path.name)
                one = self._known.get(data) or orders.open_order(data, entries)
            except KagimoriError as error:
                strange.append(f"{path.name}: {error.message}")
            else:
                held[one.digest] = known[data] = one
        self._known = known
        return held, tuple(strange[:MOST_TOLD])

    def _paths(self, strange: list[str]) -> Iterator[Path]:
        if self._folder is None:
            return
        try:
            found = sorted(path for path in self._folder.iterdir() if path.name.endswith(SUFFIX))
        except OSError as error:
            strange.append(f"{self._folder}: {error.strerror}")
            return
        if len(found) > MOST_ORDERS:
            strange.append(f"{self._folder}: {len(found)} orders; only the first {MOST_ORDERS} are read")
        yield from found[:MOST_ORDERS]
