"""The audit log: what was converted or refused, for whom and why; durable before it is answered."""
