"""Rules that are no role's, as tables: how keys are kept, who watches the log, who signs disclosure orders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from appliance.ledger import witnesses
from appliance.ledger.policy import DisclosureRules, KeyRules, LogRules, Policy
from keyceremony.sheets.blocks import Code, Table, unless_new
from keyceremony.sheets.wording import Wording

Facts = Iterable[tuple[str, str]]


def rule_tables(t: Wording, before: Policy | None, after: Policy) -> tuple[Table, ...]:
    """Each rule, old and new; ``before`` None: a ledger is founded."""
    groups: tuple[tuple[str, Callable[[Policy], Facts]], ...] = (
        (t("change.key_rules"), lambda policy: _keys(t, policy.keys)),
        (t("change.log_rules"), lambda policy: _log(t, policy.log)),
        (t("change.disclosure_rules"), lambda policy: _disclosure(t, policy.disclosure)),
    )
    return tuple(_table(t, title, facts(before) if before else None, facts(after)) for title, facts in groups)


def _table(t: Wording, title: str, before: Facts | None, after: Facts) -> Table:
    old, new = dict(before or ()), dict(after)
    rows = []
    for name in {**old, **new}:
        was, is_now = (held.get(name, t("change.nothing")) for held in (old, new))
        change = t("change.same" if was == is_now else "change.changed")
        rows.append((change, name, is_now if before is None or was == is_now else _arrow(was, is_now)))
    return unless_new(Table("", (t("change.what"), title, ""), tuple(rows)), before)


def _arrow(was: str, is_now: str) -> str:
    text = f"{was} → {is_now}"
    return Code(text) if isinstance(is_now, Code) or isinstance(was, Code) else text


def _keys(t: Wording, rules: KeyRules) -> Iterator[tuple[str, str]]:
    yield t("change.rule_backups"), str(rules.backups)
    for domain, days in sorted(rules.cryptoperiod_days.items()):
        yield t("change.rule_cryptoperiod", domain=domain), t("change.days", count=days)
    yield t("change.rule_drill"), t("change.days", count=rules.drill_days)
    yield t("change.rule_ratify"), t("change.days", count=rules.ratify_days)


def _log(t: Wording, rules: LogRules) -> Iterator[tuple[str, str]]:
    for key, text in zip(witnesses.keys(rules.witnesses), rules.witnesses, strict=True):
        name = t("change.rule_witness", name=key.name, kind=witnesses.kind_in_words(key))
        yield name, Code(hashlib.sha256(text.encode()).hexdigest())
    yield t("change.rule_warn"), _seconds(t, rules.warn_seconds)
    yield t("change.rule_refuse"), _seconds(t, rules.refuse_seconds)


def _disclosure(t: Wording, rules: DisclosureRules) -> Iterator[tuple[str, str]]:
    signed = t("change.order_signers", officers=rules.officers, oversight=rules.oversight)
    yield t("change.rule_order_signed"), signed
    yield t("change.rule_order_longest"), t("change.days", count=rules.longest_days)


def _seconds(t: Wording, seconds: int | None) -> str:
    return t("change.nothing") if seconds is None else t("change.seconds", count=f"{seconds:,}")
