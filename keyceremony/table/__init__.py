"""What lies on the table: plans, approvals, refusals and notes, and what waits beside the ledger."""
