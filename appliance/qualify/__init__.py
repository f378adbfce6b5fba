"""Qualifying a token: what Kagimori needs of it, tried, told and judged (docs/hsm-qualification.md)."""
