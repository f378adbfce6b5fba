"""The first page: every fact judged as it should be, whatever is in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deskkit import looking_at, seen
from deskpagekit import light
from logkit import Log
from reportkit import NOW

from appliance.desk.pages.every import PAGES
from appliance.desk.seen import Seen
from appliance.desk.standing import Part, Standing, Trouble
from appliance.ledger.states import KeyState
from appliance.oversight.copy import Copy
from appliance.oversight.report.words import LANGUAGES


def _status(**changes: Any) -> dict[str, Any]:
    serving = [{"pid": 1, "numbers": 2, "token": "main"}]
    tokens = [{"label": "main", "left_out": None}]
    return {"ready": True, "reason": None, "engines": {"wanted": 1, "serving": serving}, "tokens": tokens, **changes}


@pytest.mark.parametrize(
    ("status", "judgement", "value"),
    [
        (None, "wait", "not asked yet"),
        (_status(), "good", "ready"),
        (_status(ready=False, reason="token_unavailable"), "bad", "not ready (token_unavailable)"),
        (_status(engines={"wanted": 2, "serving": [{}]}), "wait", "ready"),
        (_status(tokens=[{"label": "twin", "left_out": {"reason": "x"}}]), "wait", "ready"),
    ],
)
def test_the_appliance_is_ready_or_not(status: dict[str, Any] | None, judgement: str, value: str, folder: Path) -> None:
    here = seen(folder)
    found = light(replace(here, standing=replace(here.standing, status=status)), "ready")
    assert (found.judgement, found.value) == (judgement, value)


def test_a_trouble_makes_the_overview_old_or_alarmed(folder: Path) -> None:
    here = seen(folder)

    def troubled(part: Part, alarm: bool) -> Seen:
        one = Trouble(part, NOW, "why", "", alarm)
        return replace(here, standing=replace(here.standing, troubles={part: one}))

    assert light(here, "log").judgement == light(here, "fresh").judgement == "good"
    assert light(troubled("log", True), "log").judgement == "bad"
    assert light(troubled("log", False), "log").judgement == "good"
    assert light(troubled("log", False), "fresh").judgement == "wait"
    assert light(replace(here, now=NOW + timedelta(seconds=70)), "fresh").judgement == "wait"
    assert light(replace(here, standing=Standing(NOW, here.view)), "fresh").value.startswith("the copy alone")


def test_a_suspended_key_is_to_be_looked_at(folder: Path) -> None:
    here = seen(folder)
    assert light(here, "keys").value == "11 active"
    keys_now = here.view.evidence.state.keys
    stopped = {made: replace(key, state=KeyState.SUSPENDED) for made, key in list(keys_now.items())[:1]}
    state = replace(here.view.evidence.state, keys={**keys_now, **stopped})
    entry = replace(here.view.evidence.entries[-1], state=state)
    trust = replace(here.view.evidence.trust, entries=(*here.view.evidence.entries[:-1], entry))
    view = replace(here.view, evidence=replace(here.view.evidence, trust=trust))
    assert light(replace(here, view=view), "keys").judgement == "wait"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_can_be_made_of_a_log_that_has_just_begun(name: str, language: str, tmp_path: Path) -> None:
    log_ = Log()
    log_.start()
    view = looking_at(tmp_path / "state", log_).at(Copy(log_.write(tmp_path / "a")))
    assert view is not None
    here = seen(tmp_path.parent, language, standing=Standing(began=NOW, view=view))  # type: ignore[arg-type]
    assert PAGES[name](here)
