"""Who yields the processor keeps a share of it, whoever else wants it."""

from __future__ import annotations

import os

import pytest

from appliance import yielding
from appliance.yielding import Yielding

TOOK = 0.003


class Others:
    """Time goes on only where a test says: by what the others take when they are let go first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes: float) -> None:
        self.now, self.took, self.turns, self.takes = 0.0, 0.0, 0, takes
        monkeypatch.setattr(yielding, "monotonic", lambda: self.now)
        monkeypatch.setattr(os, "sched_yield", self._go_first)

    def _go_first(self) -> None:
        self.turns += 1
        self.took += self.takes
        self.now += self.takes


def test_when_nobody_waits_each_pause_costs_nothing_and_none_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    others, thread = Others(monkeypatch, 0.0), Yielding(0.5)
    for _ in range(100):
        thread.now()
    assert others.turns == 100


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_beside_who_never_stops_it_has_its_share_and_gives_way_as_soon_as_it_had_it(
    monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    others, thread = Others(monkeypatch, TOOK), Yielding(share)
    worked = 0.0
    while others.now < 1.0:
        worked += 0.0001
        others.now += 0.0001
        thread.now()
    assert others.took * share <= worked + TOOK
    assert worked <= others.took * share + 0.0001 * (others.turns + 1)
