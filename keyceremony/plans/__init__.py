"""Making plans: what people will be asked to approve."""
