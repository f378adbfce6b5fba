"""Verifying an exported copy offline: every record, tile, signature and ledger entry, and how they go together."""
