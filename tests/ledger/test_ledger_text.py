"""Instants and lines of text, where types alone do not reach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from ledgerkit import NOW

from appliance.ledger.errors import Malformed
from appliance.ledger.text import parse_instant, render_instant, require_line


@pytest.mark.parametrize(
    "text", ["2026-4-1T9:0:0Z", "2026-04-01T09:00:00", "2026-04-01T09:00:00z", "2026-04-01T9:00:00Z", "", "now"]
)
def test_instants_have_one_form(text: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_instant("created", text)
    assert refusal.value.reason == f"created: {text!r} is not an instant such as 2026-04-01T09:00:00Z"


def test_an_instant_is_utc() -> None:
    assert parse_instant("created", "2026-04-01T09:00:00Z") == NOW
    tokyo = datetime(2026, 4, 1, 18, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=9)))
    assert render_instant(tokyo) == "2026-04-01T09:00:00Z"
    assert render_instant(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"
    with pytest.raises(ValueError, match="an instant needs a time zone"):
        render_instant(NOW.replace(tzinfo=None))


def test_the_length_of_a_line() -> None:
    require_line("title", "x" * 200)
    with pytest.raises(Malformed, match="title: must have 1 to 200 characters, has 201"):
        require_line("title", "x" * 201)
    with pytest.raises(Malformed, match="label: must have 1 to 32 characters, has 33"):
        require_line("label", "x" * 33, longest=32)
