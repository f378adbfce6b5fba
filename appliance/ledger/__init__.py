"""The ledger: signed plans and outcomes, and the key state that they add up to. Pure over bytes."""
