"""Who in the register a sector means, by four attributes. Rooms and rules: docs/architecture.md, docs/matching.md."""
