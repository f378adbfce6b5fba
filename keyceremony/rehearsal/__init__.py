"""A ceremony rehearsed: its plans on throw-away tokens, by throw-away people, in a ledger marked as a rehearsal."""
