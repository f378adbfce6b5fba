"""The first page: one fact for everything that oversight watches, each judged and each with the page that says more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from appliance.desk.blocks import Judgement, Light, Lights, Section
from appliance.desk.pages import orders as order_page
from appliance.desk.pages import plans
from appliance.desk.seen import Seen
from appliance.ledger.states import KeyState
from appliance.oversight.report.witnesses import freshness

WEEK = 7  # days
LATE = 3  # looks that fail before what is shown is called old


def overview(seen: Seen) -> tuple[Section, ...]:
    """All facts."""
    lights = tuple(_lights(seen))
    return (Section("facts", seen.t("nav.overview"), "", (Lights(lights),)),)


def _lights(seen: Seen) -> Iterator[Light]:
    yield _log(seen)
    yield _fresh(seen)
    yield _cosigned(seen)
    yield _ready(seen)
    yield _unusual(seen)
    yield _refusals(seen)
    yield _marks(seen)
    yield _plans(seen)
    yield _orders(seen)
    yield _keys(seen)
    yield _ledger(seen)


def _light(seen: Seen, name: str, judgement: Judgement, value: str, note: str = "", link: str = "") -> Light:
    return Light(seen.t(f"light.{name}"), judgement, value, note, link)


def _log(seen: Seen) -> Light:
    t, evidence = seen.t, seen.view.evidence
    if seen.standing.alarmed:
        return _light(seen, "log", "bad", t("light.log_alarm"), link="/log")
    if not evidence.sound:
        return _light(seen, "log", "bad", t("light.log_bad"), link="/log")
    return _light(seen, "log", "good", t("light.log_good", size=evidence.checkpoint.size), link="/log")


def _fresh(seen: Seen) -> Light:
    t, fresh = seen.t, seen.standing.fresh
    if fresh is None:
        return _light(seen, "fresh", "wait", t("light.fresh_copy"))
    age = seen.now - fresh
    if "log" in seen.standing.troubles or age > timedelta(seconds=LATE * seen.desk.log.every_seconds + 60):
        return _light(seen, "fresh", "wait", t("light.fresh_late", age=t.duration(age.total_seconds())))
    return _light(seen, "fresh", "good", t("light.fresh_at", at=seen.moment(fresh)))


def _cosigned(seen: Seen) -> Light:
    t, held, rules = seen.t, seen.view.evidence.witnesses, seen.view.evidence.state.policy.log
    if not held:
        return _light(seen, "cosigned", "wait", t("light.cosigned_nobody"), link="/log")
    judged = [freshness(one.time, seen.now.timestamp(), rules.warn_seconds, rules.refuse_seconds) for one in held]
    demanded = rules.warn_seconds is not None or rules.refuse_seconds is not None
    limits = (("fresh.warn", rules.warn_seconds), ("fresh.refuse", rules.refuse_seconds))
    note = " · ".join(t(key, time=t.duration(seconds)) for key, seconds in limits if seconds is not None)
    times = [one.time for one in held if one.time is not None]
    if "none" in judged or not times:
        return _light(seen, "cosigned", "bad" if demanded else "wait", t("light.cosigned_none"), note, "/log")
    age = t.duration(max(seen.now.timestamp() - min(times), 0.0))
    judgement: Judgement = "bad" if "overdue" in judged else "wait" if "late" in judged else "good"
    return _light(
        seen, "cosigned", judgement, t("light.cosigned_age", age=age), note or t("fresh.undemanded"), link="/log"
    )


def _ready(seen: Seen) -> Light:
    t, said = seen.t, seen.standing.status
    if said is None:
        return _light(seen, "ready", "wait", t("light.ready_unknown"))
    serving, wanted = len(said["engines"]["serving"]), int(said["engines"]["wanted"])
    left = [str(token["label"]) for token in said["tokens"] if token["left_out"]]
    note = t("light.ready_engines", serving=serving, wanted=wanted)
    if left:
        note = f"{note} · {t('light.ready_left', tokens=', '.join(left))}"
    if not said["ready"]:
        return _light(seen, "ready", "bad", t("light.ready_bad", reason=str(said["reason"])), note)
    judgement: Judgement = "wait" if left or serving < wanted or "daemon" in seen.standing.troubles else "good"
    return _light(seen, "ready", judgement, t("light.ready_good"), note)


def _unusual(seen: Seen) -> Light:
    t = seen.t
    grave = sum(finding.grave for finding in seen.view.findings)
    light = len(seen.view.findings) - grave
    if not seen.view.findings:
        return _light(seen, "unusual", "good", t("light.unusual_none"), link="/unusual")
    note = t("light.unusual_light", count=light) if light else ""
    if grave:
        return _light(seen, "unusual", "wait", t("light.unusual_grave", count=grave), note, "/unusual")
    return _light(seen, "unusual", "plain", note, link="/unusual")


def _refusals(seen: Seen) -> Light:
    t = seen.t
    today, week = (sum(day.refused.total() for day in seen.days(count)) for count in (1, WEEK))
    note = t("light.refusals_week", count=week)
    return _light(
        seen, "refusals", "plain" if today else "good", t("light.refusals_count", count=today), note, "/refusals"
    )


def _marks(seen: Seen) -> Light:
    t = seen.t
    new = sum(recent(seen, one.said.time) for one in seen.view.evidence.marks)
    note = t("light.marks_all", count=seen.view.statistics.kinds["not_recognised"])
    return _light(seen, "marks", "wait" if new else "good", t("light.marks_week", count=new), note, "/marks")


def recent(seen: Seen, instant: str) -> bool:
    """Whether it is of the last seven days."""
    return datetime.fromisoformat(instant) > seen.now - timedelta(days=WEEK)


def _plans(seen: Seen) -> Light:
    t, found = seen.t, seen.standing.ceremonies
    if seen.desk.ceremony is None:
        return _light(seen, "plans", "plain", t("light.plans_unset"), link="/plans")
    if found is None:
        return _light(seen, "plans", "wait", t("plan.not_asked"), link="/plans")
    if found.cut_off:
        return _light(seen, "plans", "bad", t("light.plans_cut"), link="/plans")
    ours = sum(bool(plans.ours(seen, one.plan)) for one in found.waiting)
    others = len(found.waiting) - ours
    if not found.waiting:
        return _light(seen, "plans", "good", t("light.plans_none"), link="/plans")
    note = t("light.plans_others", count=others) if others else ""
    if ours:
        return _light(seen, "plans", "wait", t("light.plans_ours", count=ours), note, "/plans")
    return _light(seen, "plans", "plain", note, link="/plans")


def _orders(seen: Seen) -> Light:
    t, standings = seen.t, [order_page.condition(seen, held) for held in seen.view.orders.values()]
    note = t("light.orders_strange", count=len(seen.view.strange)) if seen.view.strange else ""
    if "over" in standings:
        return _light(seen, "orders", "bad", t("light.orders_over"), note, "/orders")
    if seen.desk.log.orders is None:
        return _light(seen, "orders", "plain", t("light.orders_unset"), link="/orders")
    count = t("light.orders_open", count=standings.count("open"))
    return _light(seen, "orders", "wait" if note else "good", count, note, "/orders")


def _keys(seen: Seen) -> Light:
    t, keys = seen.t, seen.view.evidence.state.keys
    stopped = [str(made) for made, key in sorted(keys.items()) if key.state is KeyState.SUSPENDED]
    active = sum(key.state is KeyState.ACTIVE for key in keys.values())
    note = t("light.keys_suspended", names=", ".join(stopped)) if stopped else ""
    return _light(seen, "keys", "wait" if stopped else "good", t("light.keys_active", count=active), note, "/keys")


def _ledger(seen: Seen) -> Light:
    t, state, found = seen.t, seen.view.evidence.state, seen.standing.ceremonies
    entry = t("light.ledger_entry", sequence=state.sequence)
    if found is not None and found.anchor and found.anchor != state.anchor:
        return _light(seen, "ledger", "bad", entry, t("light.ledger_other", anchor=found.anchor[:16]), "/ledger")
    if found is not None and found.sequence > state.sequence:
        return _light(seen, "ledger", "wait", entry, t("light.ledger_ahead", ceremony=found.sequence), "/ledger")
    return _light(seen, "ledger", "good", entry, link="/ledger")
