"""What roles may do, in few lines, with the other rules below; and what a policy change does to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from appliance.ledger.policy import Policy, RoleRule
from keyceremony import screen
from keyceremony.showing import show_rules
from keyceremony.showing.pair_words import pairs_in_words

_NOTHING = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=0)
_COUNTS = (
    ("values_per_request", "0"),
    ("values_per_stream", "0"),
    ("values_per_minute", "0"),
    ("values_per_day", "no quota"),
    ("values_without_order", "no limit"),
)


def rule_row(role: str, rule: RoleRule, invisible: frozenset[str]) -> list[str]:
    """A table row; pairs whose answer shows a number that leads to all others are marked."""
    sentences = [*_sentences(rule.pairs, invisible), *_readings(rule)] or ["nothing"]
    return [role, "\n".join(sentences), _listed(rule.purposes), "\n".join(_limits(rule))]


def whole(out: Console, policy: Policy, invisible: frozenset[str]) -> None:
    """Print every role's rule and all other rules. ``invisible``: numbers that nobody should be shown."""
    rows = [rule_row(role, rule, invisible) for role, rule in sorted(policy.roles.items())]
    limits = "values a request / stream / minute"
    out.print(screen.table("Who may convert what (all else is refused)", ["role", "may", "for", limits], rows))
    show_rules.whole(out, policy)


def change(out: Console, before: Policy, after: Policy, invisible: frozenset[str]) -> None:
    """Print what a policy change adds, takes away and alters: role by role, and every other rule."""
    roles = sorted({*before.roles, *after.roles})
    rows = [row for role in roles for row in _role_change(role, before, after, invisible)]
    if rows:
        heading = "Who may convert what: what changes"
        out.print(screen.table(heading, ["role", "what", "before", "after"], rows))
    told = {row[0] for row in rows}
    same = [role for role in roles if role not in told]
    screen.line(out, f"   roles as before: {', '.join(same) or 'none'}")
    show_rules.change(out, before, after)


def _role_change(role: str, before: Policy, after: Policy, invisible: frozenset[str]) -> Iterator[list[str]]:
    old, new = before.roles.get(role, _NOTHING), after.roles.get(role, _NOTHING)
    if role not in before.roles:
        yield [role, "ROLE ADDED", "–", "may convert nothing" if new == _NOTHING else "may do what follows"]
    if role not in after.roles:
        yield [role, "ROLE REMOVED", "could convert nothing" if old == _NOTHING else "could do what follows", "–"]
    if added := set(new.pairs) - set(old.pairs):
        yield [role, "pairs added", "refused", "\n".join(_sentences(sorted(added), invisible))]
    if removed := set(old.pairs) - set(new.pairs):
        yield [role, "pairs removed", "\n".join(pairs_in_words(sorted(removed))), "refused"]
    for what, was, becomes in _simple_changes(old, new):
        if was != becomes:
            yield [role, what, was, becomes]


def _simple_changes(old: RoleRule, new: RoleRule) -> Iterator[tuple[str, str, str]]:
    """What is told as a whole, old and new; who reads sees only what differs."""
    yield "purposes", _listed(sorted(old.purposes)), _listed(sorted(new.purposes))
    yield "one person's conversions, asked by", _listed(sorted(old.history)), _listed(sorted(new.history))
    yield "reads the log, hands in cosignatures", _yes(old.log), _yes(new.log)
    for name, unset in _COUNTS:
        yield name, _count(getattr(old, name), unset), _count(getattr(new, name), unset)
    for purpose in sorted({*old.purpose_values_per_day, *new.purpose_values_per_day}):
        was, becomes = (rule.purpose_values_per_day.get(purpose) for rule in (old, new))
        yield f"values_per_day for {purpose}", _count(was, "no quota"), _count(becomes, "no quota")


def _readings(rule: RoleRule) -> Iterator[str]:
    """What a role may do besides converting."""
    if rule.history:
        yield f"ask for one person's conversions by: {_listed(rule.history)}"
    if rule.log:
        yield "read the log, and hand in cosignatures"


def _limits(rule: RoleRule) -> Iterator[str]:
    yield f"{rule.values_per_request:,} / {rule.values_per_stream:,} / {rule.values_per_minute:,}"
    if rule.values_per_day is not None:
        yield f"a day: {rule.values_per_day:,}"
    for purpose, quota in sorted(rule.purpose_values_per_day.items()):
        yield f"a day for {purpose}: {quota:,}"
    if rule.values_without_order is not None:
        yield f"without an order: {rule.values_without_order:,}"


def _sentences(pairs: Sequence[tuple[str, str]], invisible: frozenset[str]) -> list[str]:
    bare = sorted({target for _, target in pairs} & invisible)
    marked = [f"!! answers show {', '.join(bare)} itself; each request needs a disclosure order"] if bare else []
    return pairs_in_words(pairs) + marked


def _listed(purposes: Sequence[str]) -> str:
    return ", ".join(purposes) or "–"


def _yes(allowed: bool) -> str:
    return "yes" if allowed else "no"


def _count(value: int | None, unset: str) -> str:
    return unset if value is None else f"{value:,}"
