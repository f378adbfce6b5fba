"""The page of plans: who is missing, what each of them types, and whatever stands against a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from deskkit import seen
from deskpagekit import light, tables, texts
from plankit import DIGEST, PLAN, WORDS
from reportkit import HOSTILE, NOW

from appliance.desk.blocks import Aloud, Facts, Notice, Section, Verbatim
from appliance.desk.ceremonies import Ceremonies, Plan, Shown, Waiting
from appliance.desk.pages import plans
from appliance.desk.seen import Seen
from appliance.desk.settings import CeremonySection

TEXT = "Plan 3: A plan\n-  generate sspin.C.3\n   before: –\n   after: generated\n"


def _waiting(here: Seen, *plan: dict[str, Any], people: tuple[str, ...] = (), **more: Any) -> Seen:
    held = tuple(Waiting(msgspec.convert(one, Plan), Shown(TEXT, WORDS)) for one in plan)
    state = here.view.evidence.state
    told = {"sequence": state.sequence, "head": state.head, "anchor": state.anchor, "unreadable": (), "cut_off": None}
    found = Ceremonies(held, **(told | more))
    desk = msgspec.structs.replace(here.desk, ceremony=CeremonySection(config=Path("/k/kagimori.toml"), people=people))
    return replace(here, desk=desk, standing=replace(here.standing, ceremonies=found, asked=NOW))


def _verbatim(sections: tuple[Section, ...]) -> list[str]:
    return [block.text for section in sections for block in section.blocks if isinstance(block, Verbatim)]


def _notices(sections: tuple[Section, ...]) -> list[str]:
    return [block.text for section in sections for block in section.blocks if isinstance(block, Notice)]


def test_a_plan_shows_who_is_missing_and_what_each_of_them_types(folder: Path) -> None:
    here = _waiting(seen(folder), PLAN)
    sections = plans.plans(here)
    assert _notices(sections) == ["Missing: 1 officer, 1 oversight"]
    (table,) = tables(sections)
    assert [row[:3] for row in texts(table)] == [
        ["officer-1", "officer", "approved"],
        ["officer-2", "officer", "may approve (1 more needed)"],
        ["officer-3", "officer", "may approve (1 more needed)"],
        ["oversight-1", "oversight", "may approve (1 more needed)"],
    ]
    file, config = "/ledger/pending/000003.plan.json", "--config /k/kagimori.toml"
    assert _verbatim(sections) == [
        TEXT.rstrip("\n"),
        f"keyceremony approve {file} --as oversight-1 --token oversight-1 {config}",
        f"keyceremony approve {file} --as officer-2 --token officer-2 {config}",
        f"keyceremony approve {file} --as officer-3 --token officer-3 {config}",
        f"keyceremony show {file} {config}",
    ]
    (aloud,) = [block for section in sections for block in section.blocks if isinstance(block, Aloud)]
    assert aloud.groups == WORDS
    facts = next(block for block in sections[0].blocks if isinstance(block, Facts))
    assert facts.facts[0].value == DIGEST
    found = light(here, "plans")
    assert (found.judgement, found.value) == ("wait", "1 for oversight's approval")


def test_whose_approval_is_ours_can_be_named(folder: Path) -> None:
    assert light(_waiting(seen(folder), PLAN, people=("oversight-2",)), "plans").judgement == "plain"
    assert light(_waiting(seen(folder), PLAN, people=("officer-3",)), "plans").value == "1 for oversight's approval"


def test_a_plan_of_which_oversight_has_approved_is_for_others(folder: Path) -> None:
    body = {**PLAN["bodies"][0], "missing": {"officer": 1, "oversight": 0}}
    here = _waiting(seen(folder), {**PLAN, "bodies": [body]})
    found = light(here, "plans")
    assert (found.judgement, found.value) == ("plain", "1 for others, or to be carried out")
    assert not any("oversight-1" in command for command in _verbatim(plans.plans(here)))
    (table,) = tables(plans.plans(here))
    assert [row[0] for row in texts(table)] == ["officer-1", "officer-2", "officer-3"]


def test_what_stands_against_a_plan_is_shown(folder: Path) -> None:
    refusal = {"person": "officer-2", "at": "2026-06-29T00:00:00Z", "reason": HOSTILE}
    strange = {
        **PLAN,
        "refusals": [refusal],
        "does_not_count": ["x.approval.cms: not signed"],
        "impossible": "too late",
    }
    here = _waiting(seen(folder), {**strange, "expires": "2026-01-01T00:00:00Z"}, unreadable=("y: no plan",))
    sections = plans.plans(here)
    told = " ".join(_notices(sections))
    assert "It cannot be carried out as it is: too late" in told
    assert "Does not count: x.approval.cms: not signed" in told
    assert "Not a plan: y: no plan" in told
    assert any(
        "EXPIRED" in fact.value
        for fact in next(block for block in sections[1].blocks if isinstance(block, Facts)).facts
    )
    assert "</svg><script>alert(1)</script>\\u202e{{ 7*7 }}\\x07\"'&" in [
        row[2] for row in texts(list(tables(sections))[1])
    ]


def test_without_ceremonies_the_page_says_what_is_missing(folder: Path) -> None:
    (section,) = plans.plans(seen(folder))
    assert "[ceremony] of desk.toml" in _notices((section,))[0]
    asked = replace(_waiting(seen(folder)), standing=seen(folder).standing)
    assert _notices(plans.plans(asked)) == ["Not asked yet."]
    assert light(_waiting(seen(folder), cut_off="/journal"), "plans").judgement == "bad"


def test_a_ceremony_beside_another_ledger_or_ahead_of_the_log_is_told(folder: Path) -> None:
    here = seen(folder)
    assert light(_waiting(here), "ledger").judgement == "good"
    other = light(_waiting(here, anchor="ab" * 32), "ledger")
    assert (other.judgement, other.note) == ("bad", "the ceremony's ledger is another one (anchor abababababababab…)")
    assert light(_waiting(here, sequence=12), "ledger").judgement == "wait"
