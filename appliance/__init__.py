"""The appliance: numbers, ledger, token, engine, audit, daemon and hub kit (docs/architecture.md)."""
