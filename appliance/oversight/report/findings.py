"""What a finding is, and what the rules that find look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.oversight.report.marks import Recalled
from appliance.oversight.report.orders import HeldOrder
from appliance.oversight.report.statistics import Statistics

Amount = int | float | str


class Share(float):
    """A part of a whole, 0 to 1; shown in percent."""


class Seconds(float):
    """A time; shown in the units that fit."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something unusual. ``kind`` has its words in ``wording.toml``, which ``amounts`` are filled into.

    ``when``: in the report's time zone; ``who``: role, and the uids if it is about callers; ``first``, ``last``: the
    records it is about, 0: none.
    """

    kind: str
    grave: bool
    when: str
    first: int
    last: int
    role: str = ""
    uids: tuple[int, ...] = ()
    amounts: Mapping[str, Amount] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules judge. ``orders``: those whose text is at hand, by digest. ``marks``: with what they are about."""

    statistics: Statistics
    orders: Mapping[str, HeldOrder] = field(default_factory=dict)
    marks: tuple[Recalled, ...] = ()
