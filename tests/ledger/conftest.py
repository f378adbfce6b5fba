"""One ledger of three entries for all tests of this folder; nobody changes it."""

from __future__ import annotations

import ledgerkit
import pytest


@pytest.fixture(scope="session")
def book() -> ledgerkit.Book:
    """Genesis, the first keys, and a second generation for sector B; treat as read-only."""
    return ledgerkit.three_entries()
