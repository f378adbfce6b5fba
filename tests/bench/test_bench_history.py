"""The bench of histories works: every figure is there, and every history that it times is right."""

from __future__ import annotations

from tests.bench import history


def test_a_small_run_fills_every_figure() -> None:
    """No judgement on speed here."""
    rows = history.measure([200_000, 300_000])
    assert [row.hits for row in rows] == [0, 1, 20] * 2
    assert [row.tags for row in rows] == [204_800] * 3 + [368_640] * 3
    assert all(value > 0 for row in rows for value in row[2:])
