"""What verifying a copy found out, in words for people and in JSON for machines."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from appliance.oversight.commands import options
from appliance.oversight.verify.signatures import Vouched
from appliance.oversight.verify.whole import Verified
from appliance.tlog.note import KINDS

SHOWN = 50  # findings on the screen


def as_json(result: Verified) -> dict[str, object]:
    """Everything, findings included."""
    told, trust = result.told, result.trust
    return {
        "clean": result.clean,
        "records": result.records,
        "from": told.begin,
        "until": told.latest,
        "conversions": told.conversions,
        "numbers": told.numbers,
        "pruned_before": told.pruned,
        "starts_without_stop": told.crashes,
        "repairs": told.repairs,
        "log_lost": told.losses,
        "orders": dict(told.orders),
        "ledger": None
        if trust is None
        else {"sequence": trust.state.sequence, "head": trust.state.head, "rehearsal": trust.state.rehearsal},
        "log_keys": _log_keys(result),
        "checkpoint": _vouched_json(result.checkpoint),
        "cosigned": _vouched_json(result.cosigned),
        "findings": [{"place": one.place, "what": one.what} for one in result.findings.kept],
        "findings_omitted": result.findings.omitted,
    }


def _log_keys(result: Verified) -> list[str]:
    if result.trust is None or result.checkpoint is None or result.checkpoint.key is None:
        return []
    return [str(key) for key in result.trust.keys(result.checkpoint.checkpoint.origin)]


def _vouched_json(one: Vouched | None) -> dict[str, object] | None:
    if one is None:
        return None
    return {
        "origin": one.checkpoint.origin,
        "size": one.checkpoint.size,
        "root": one.checkpoint.root.hex(),
        "signed_by": None if one.key is None else str(one.key),
        "cosignatures": [
            {"name": each.name, "kind": _kind(each.kind), "time": options.instant(each.time)}
            for each in one.cosignatures
        ],
    }


def _kind(kind: int) -> str:
    return KINDS[kind][0].removesuffix(" cosignature")


def as_text(folder: Path, result: Verified) -> list[str]:
    """Lines for a person; what comes from the copy is in them as it is."""
    told, lines = result.told, [f"copy          {folder}"]
    if result.trust is not None:
        state = result.trust.state
        kind = "  REHEARSAL, not a real ledger" if state.rehearsal else ""
        lines.append(f"ledger        entry {state.sequence}, head {state.head}{kind}")
    for title, one in (("checkpoint", result.checkpoint), ("co-signed", result.cosigned)):
        lines.extend(_vouched_text(title, one, told.latest))
    lines.append(f"records       {result.records}, from {told.begin or '-'} until {told.latest or '-'}")
    lines.append(f"conversions   {told.conversions} records, {told.numbers} numbers")
    if told.pruned > 1:
        lines.append(f"pruned        records before {told.pruned}, as the log itself says; their hashes are there")
    lines.extend(f"log key       {key}" for key in _log_keys(result))
    lines.extend(_remarks(result))
    lines.extend(_findings(result))
    return lines


def _vouched_text(title: str, one: Vouched | None, latest: str) -> list[str]:
    if one is None:
        return [f"{title:<14}none"]
    signed = f"signed by {one.key}" if one.key is not None else "NOT signed by a key of the ledger"
    lines = [f"{title:<14}size {one.checkpoint.size}, root {one.checkpoint.root.hex()}, {signed}"]
    return lines + [
        f"{'':<14}{each.name} ({_kind(each.kind)}) at {options.instant(each.time)}{_behind(each.time, latest)}"
        for each in one.cosignatures
    ]


def _behind(time: int, latest: str) -> str:
    """How much older than the last record a cosignature is."""
    age = age_at(time, latest)
    return f", {age} s before the last record" if age else ""


def _remarks(result: Verified) -> list[str]:
    """What is no fault of the copy, but worth asking about."""
    told = result.told
    counted = (
        (told.crashes, "starts without a stop before them (the daemon was killed, or crashed)"),
        (told.repairs, "repairs of a torn tail"),
        (told.losses, "times the log could not be written"),
    )
    return _staleness(result) + [
        f"remark        {len(at)} {what}: record {', '.join(map(str, at[:5]))}{' …' if len(at) > 5 else ''}"
        for at, what in counted
        if at
    ]


def _staleness(result: Verified) -> list[str]:
    """The newest cosignature was older, when the last record was written, than the policy likes."""
    if result.trust is None or result.trust.state.policy.log.warn_seconds is None:
        return []
    vouched = [one for one in (result.checkpoint, result.cosigned) if one is not None]
    times = [each.time for one in vouched for each in one.cosignatures]
    rules = result.trust.state.policy.log
    if not times:
        return ["remark        never co-signed, and the policy demands that it is"]
    age = age_at(max(times), result.told.latest)
    if age <= (rules.warn_seconds or 0):
        return []
    limits = f"warns after {rules.warn_seconds} s, refuses after {rules.refuse_seconds or '-'} s"
    return [f"remark        the newest cosignature was {age} s old at the last record; the policy {limits}"]


def age_at(time: int, latest: str) -> int:
    """Seconds from a time to that of a record; 0 if it is later, or the record's time is none."""
    try:
        return max(0, int(datetime.fromisoformat(latest).timestamp()) - time)
    except ValueError:
        return 0


def _findings(result: Verified) -> list[str]:
    findings = result.findings
    if result.clean:
        return ["nothing found: the copy is whole"]
    lines = [f"FINDINGS      {findings.found}", *(f"  {one}" for one in findings.kept[:SHOWN])]
    if findings.found > SHOWN:
        lines.append(f"  … and {findings.found - SHOWN} more (--json has the first {len(findings.kept)})")
    return lines
