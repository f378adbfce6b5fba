"""Key ceremonies: plans, approvals, execution. The only code that changes a token."""
