"""What ``keyceremony status --json`` says of a plan that one of three has approved."""

from __future__ import annotations

from typing import Any

DIGEST = "ab" * 32
WORDS = ("acid acne acorn aide", "alarm album alien amaze", "amber anchor angel arena", "armed artist ashore atom")
PLAN: dict[str, Any] = {
    "sequence": 3,
    "title": "A plan",
    "file": "/ledger/pending/000003.plan.json",
    "digest": DIGEST,
    "expires": "2026-12-01T00:00:00Z",
    "complete": False,
    "bodies": [
        {
            "body": "roster",
            "approved": [{"person": "officer-1", "role": "officer", "at": "2026-11-27T00:00:00Z"}],
            "missing": {"officer": 1, "oversight": 1},
            "remaining": {"officer": ["officer-2", "officer-3"], "oversight": ["oversight-1"]},
        }
    ],
    "refusals": [],
    "notes": 0,
    "does_not_count": [],
    "impossible": None,
}
LEDGER = {"sequence": 2, "head": "cd" * 32, "anchor": "ef" * 32, "rehearsal": False}
STATUS: dict[str, Any] = {"ledger": LEDGER, "plans": [PLAN], "unreadable": [], "cut_off": None, "due": [], "next": []}
