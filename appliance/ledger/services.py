"""What keys that convert nothing are called: ``log`` signs the log's checkpoints, ``tag`` makes subject tags.

They are handled like the keys of a domain, generation by generation, but are no domains of the tree: no number is
written under them, nothing stands on them, and no pair of the policy can name them.
"""

from __future__ import annotations

LOG = "log"
TAG = "tag"
SERVICE = (LOG, TAG)
MAIN_LOG = "main"
"""The name of a log, when nothing else is said ([audit] name); no clone's log can be called so."""
TITLES = {LOG: "監査記録への署名 (signs the audit log)", TAG: "対象者タグ (subject tags in the audit log)"}


def is_reserved(domain: str) -> bool:
    """Whether a domain of the tree must not be called so: ``log``, ``tag``, and sectors of theirs."""
    return domain.partition(".")[0] in SERVICE
