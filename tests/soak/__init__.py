"""The soak: a real daemon under load while things break at random; see docs/reliability.md."""
