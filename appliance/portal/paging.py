"""Which conversions are on a page: the newest that a visitor wants, read window by window, each judged by itself.

Reading is bounded: after `MOST_WINDOWS` a page ends although it is not full, and the visitor can go on from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from appliance.hubkit.history import PastConversion
from appliance.portal.entries import Filter
from appliance.portal.proof import Judged

ON_A_PAGE = 20
WINDOW = 200
MOST_WINDOWS = 5
Ask = Callable[[int, int | None], Awaitable[Judged]]  # how many, before which record


@dataclass
class Found:
    """What is on a page. ``before``: the record to go on before, None: there is nothing older.

    ``windows``: the histories that were read, the newest first.
    """

    shown: list[tuple[PastConversion, Judged]] = field(default_factory=list, repr=False)
    windows: list[Judged] = field(default_factory=list, repr=False)
    before: int | None = None

    @property
    def sound(self) -> bool:
        """Whether every tree that was answered with is the log's own."""
        return all(one.sound for one in self.windows)


async def find(ask: Ask, wanted: Filter, before: int | None = None) -> Found:
    """The newest wanted conversions before a record."""
    found = Found(before=before)
    for _ in range(MOST_WINDOWS if wanted else 1):
        window = await ask(WINDOW if wanted else ON_A_PAGE, found.before)
        found.windows.append(window)
        found.before = window.history.before
        if _take(found, window, wanted) or found.before is None:
            break
    return found


def _take(found: Found, window: Judged, wanted: Filter) -> bool:
    """Take what is wanted of a window; whether the page is full, or nothing older is wanted."""
    conversions = window.history.conversions
    for place, one in enumerate(conversions):
        if wanted.is_over(one):
            found.before = None
            return True
        if wanted.takes(one):
            found.shown.append((one, window))
        if len(found.shown) == ON_A_PAGE:
            more = place + 1 < len(conversions) or window.history.before is not None
            found.before = one.record if more else None
            return True
    return False


def records(found: Found) -> Iterator[int]:
    """The records on the page."""
    return (one.record for one, _ in found.shown)


async def everything(ask: Ask, most: int, window: int = 1_000) -> Found:
    """All conversions, or the newest ``most``."""
    found = Found()
    while len(found.shown) < most:
        judged = await ask(min(window, most - len(found.shown)), found.before)
        found.windows.append(judged)
        found.shown += [(one, judged) for one in judged.history.conversions]
        found.before = judged.history.before
        if found.before is None or not judged.history.conversions:
            break
    return found
