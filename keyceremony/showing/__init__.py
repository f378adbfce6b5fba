"""Plans and the ledger in human words."""
