"""Rules that are no role's: how keys are kept, who watches the log, who signs disclosure orders; and what changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from rich.console import Console

from appliance.ledger import order, witnesses
from appliance.ledger.policy import DisclosureRules, KeyRules, LogRules, Policy
from keyceremony import screen
from keyceremony.showing.show_roster import in_words

_NO_DEMAND = "no demand"


def whole(out: Console, policy: Policy) -> None:
    """Print every rule."""
    for heading, (_, facts) in _groups(policy).items():
        out.print(screen.table(heading, ["rule", "value"], [[name, text] for name, text in facts.items()]))


def change(out: Console, before: Policy, after: Policy) -> None:
    """Print every rule that changes, old and new."""
    held = _groups(before)
    for heading, (what, new) in _groups(after).items():
        old = held[heading][1]
        rows = [[name, old.get(name, "–"), new.get(name, "–")] for name in sorted({*old, *new})]
        if changed := [row for row in rows if row[1] != row[2]]:
            out.print(screen.table(f"{heading}: what changes", ["rule", "before", "after"], changed))
        else:
            screen.line(out, f"   rules about {what} as before")


def _groups(policy: Policy) -> dict[str, tuple[str, Mapping[str, str]]]:
    """By heading, what a group is about, and its rules."""
    return {
        "How keys are kept": ("keys", dict(_keys(policy.keys))),
        "Who watches the log": ("the log", dict(_log(policy.log))),
        "Disclosure orders": ("disclosure orders", dict(_disclosure(policy.disclosure))),
    }


def _keys(rules: KeyRules) -> Iterator[tuple[str, str]]:
    yield "backup tokens with a copy before activate", str(rules.backups)
    yield "recovery rehearsed every", f"{rules.drill_days} days"
    yield "suspension ratified within", f"{rules.ratify_days} days"
    for name, days in sorted(rules.cryptoperiod_days.items()):
        yield f"rotation of {name} due after", f"{days} days"


def _log(rules: LogRules) -> Iterator[tuple[str, str]]:
    yield "witnesses", str(len(rules.witnesses)) if rules.witnesses else "none"
    for key, text in zip(witnesses.keys(rules.witnesses), rules.witnesses, strict=True):
        digest = hashlib.sha256(text.encode()).hexdigest()
        yield f"witness {key.name}, {witnesses.kind_in_words(key)}", f"verifier key with SHA-256 {digest}"
    yield "a warning when a witness has not co-signed for", _seconds(rules.warn_seconds)
    yield "nothing is converted when one has not for", _seconds(rules.refuse_seconds)


def _disclosure(rules: DisclosureRules) -> Iterator[tuple[str, str]]:
    yield "an order is signed by", in_words(order.needed(rules))
    yield "an order is valid for at most", f"{rules.longest_days} days"


def _seconds(seconds: int | None) -> str:
    return _NO_DEMAND if seconds is None else f"{seconds:,} seconds"
