"""The token's PIN under dual control."""
