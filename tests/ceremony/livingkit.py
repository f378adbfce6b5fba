"""A ledger in the middle of its life: backup tokens, keys with copies, keys in every state; and plans of any action.

Plans are drafted here from actions, not from words, so that every action can be tried whatever the drafting offers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ceremonykit as kit
from ceremonykit import Stage

from appliance.ledger import plan as plans
from appliance.ledger.actions import Action, Activate, EnrollBackup, EnrollClone, Generate, Restrict, Retire, Suspend
from appliance.ledger.text import render_instant
from keyceremony import workspace
from keyceremony.table import papers
from tests.world import init_token

SPARES = ("backup-1", "backup-2", "spare", "scratch")
EVERYBODY = tuple(kit.PEOPLE)
SO_PIN = f"so-{kit.PIN}"


def founded(folder: Path) -> Stage:
    """A founded ledger with the tokens of `with_spares`; people's keys are in this process."""
    return with_spares(kit.founded(kit.soft_enrolled(kit.bare(folder, [kit.APPLIANCE]))))


def with_spares(stage: Stage) -> Stage:
    """Tokens for backup, restore and drill, and a file with the PIN of the security officers."""
    for label in SPARES:
        stage.serials[label] = init_token(stage.folder, label, kit.PIN)
    secret = stage.folder / "so-pin"
    secret.write_text(SO_PIN + "\n")
    secret.chmod(0o600)
    return stage


def pins(stage: Stage) -> list[str]:
    """The options that say where every token's PINs are."""
    labels = [kit.APPLIANCE, *SPARES]
    return [word for label in labels for word in ("--pin", f"{label}=pin", "--so-pin", f"{label}=so-pin")]


def drawn(stage: Stage, *actions: Action, title: str = "A plan") -> plans.Plan:
    """The next plan, of these actions."""
    state = stage.state()
    now = datetime.now(UTC)
    return plans.Plan(
        type="kagimori/plan/v1",
        sequence=state.sequence + 1,
        previous=state.head,
        title=title,
        created=render_instant(now),
        expires=render_instant(now + timedelta(days=7)),
        rehearsal=state.rehearsal,
        actions=actions,
    )


def draft(stage: Stage, *actions: Action) -> Path:
    """A plan of these actions in the pending folder; its path, as it is typed."""
    plan = drawn(stage, *actions)
    path = workspace.plan_path(stage.ledger, plan.sequence)
    workspace.create(path, papers.paper_of(path, plan).data)
    return path.relative_to(stage.folder)


def agreed(stage: Stage, *actions: Action, people: Iterable[str] = EVERYBODY) -> list[str]:
    """Draft and approve a plan; the command that carries it out."""
    plan = draft(stage, *actions)
    stage.approve(plan, *people)
    return ["execute", str(plan), *where(stage), "--operator", "operator"]


def carry_out(stage: Stage, *actions: Action, people: Iterable[str] = EVERYBODY) -> None:
    """Draft, approve and carry out."""
    stage.must(*agreed(stage, *actions, people=people))


def where(stage: Stage) -> list[str]:
    """The options of execute, resume, abort and inventory."""
    return [*pins(stage), "--config", "kagimori.toml"]


def living(stage: Stage) -> Stage:
    """Backup token backup-1 with copies; keys in every state that an action can start from."""
    first = stage.serials["backup-1"]
    carry_out(stage, EnrollBackup(token_label="backup-1", token_serial=first, copy_from=None))
    generations = ["spin.1", "sspin.A.1", "sspin.B.1", "sspin.B.2", "sspin.C.1", "sspin.C.2", "sspin.D.1", "sspin.E.1"]
    made = [_generate(text, (first,)) for text in generations]
    moves: list[Action] = [Activate(generation=text) for text in generations if text != "sspin.E.1"]
    moves += [Restrict(generation="sspin.B.1"), Retire(generation="sspin.B.1")]
    carry_out(stage, *made, *moves, Suspend(generation="sspin.D.1"), *service_keys(first))
    return stage


def guarded(stage: Stage) -> Stage:
    """The same with two keys only, and the service keys; all with copies, but for the log key."""
    first = stage.serials["backup-1"]
    carry_out(stage, EnrollBackup(token_label="backup-1", token_serial=first, copy_from=None))
    made = [_generate(text, (first,)) for text in ("spin.1", "sspin.B.1")]
    moves = (Activate(generation="spin.1"), Activate(generation="sspin.B.1"))
    carry_out(stage, *made, *moves, *service_keys(first))
    return stage


def cloned(stage: Stage) -> Stage:
    """As `guarded`; the token ``spare`` is a clone that keeps the log ``osaka`` and lacks the new key sspin.B.2."""
    first, spare = stage.serials["backup-1"], stage.serials["spare"]
    carry_out(stage, EnrollClone(token_label="spare", token_serial=spare, source=first, log_name="osaka"))
    carry_out(stage, _generate("sspin.B.2", (first,)))
    return stage


def service_keys(*backups: str) -> tuple[Action, ...]:
    """The first log key, and the first tag key with its copies, in use."""
    made = Generate(generation="log.1", parent=None), _generate("tag.1", backups)
    return (*made, Activate(generation="log.1"), Activate(generation="tag.1"))


def _generate(text: str, backups: Sequence[str]) -> Generate:
    parent = "spin.1" if text.startswith("sspin") else None
    return Generate(generation=text, parent=parent, backups=tuple(backups))


def inventory(stage: Stage, label: str = kit.APPLIANCE) -> dict[str, list[dict[str, object]]]:
    """What ``keyceremony inventory`` says, all enrolled backup tokens looked at."""
    told = stage.run("inventory", "--all", "--json", "--token", label, *where(stage))
    assert told.code in (0, 1), told.err
    return json.loads(told.out)  # type: ignore[no-any-return]


def strange(stage: Stage, label: str = kit.APPLIANCE) -> list[tuple[object, object, object]]:
    """The findings that need attention: status, token, subject."""
    found = inventory(stage, label)["findings"]
    return [(one["status"], one["token"], one["subject"]) for one in found if one["attention"]]


def objects(stage: Stage, labels: Sequence[str] = (kit.APPLIANCE, *SPARES)) -> dict[str, list[str]]:
    """What another program sees on tokens, label by label."""
    return {label: sorted(stage.objects(label).splitlines()) for label in labels}
