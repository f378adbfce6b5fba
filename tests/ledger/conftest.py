"""Two ledgers for all tests of this folder; nobody changes them (`Book.fork` gives a copy that can grow)."""

from __future__ import annotations

import ledgerkit
import pytest


@pytest.fixture(scope="session")
def book() -> ledgerkit.Book:
    """Genesis, the first keys, and a second generation for sector B; treat as read-only."""
    return ledgerkit.three_entries()


@pytest.fixture(scope="session")
def backed() -> ledgerkit.Book:
    """Two backup tokens that hold copies of the first keys; the policy demands one copy. Treat as read-only."""
    return ledgerkit.backed_up()
