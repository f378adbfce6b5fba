"""What `execute` must never do, however well it is signed: each refusal has its own name, and no token has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import get_args

import ceremonykit as kit
import livingkit
import msgspec
import pytest
from ceremonykit import Stage
from livingkit import EVERYBODY, where

from appliance.ledger import canonical
from appliance.ledger.actions import (
    Action,
    ChangeRoster,
    Destroy,
    EnrollBackup,
    Generate,
    KeyAction,
    RemoveBackup,
    Restore,
    action_name,
)
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person, Roster, Threshold
from appliance.ledger.states import TRANSITIONS
from keyceremony.people import enroll
from keyceremony.people.signers import PemSigner

KEYS = ("spin.1", "sspin.B.1", "sspin.B.2", "sspin.C.1", "sspin.C.2", "sspin.D.1", "sspin.E.1", "sspin.F.1")
TOKENS = (kit.APPLIANCE, "backup-1")


@pytest.fixture(scope="module")
def unchanged(living_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """One stage for all refusals: each must leave its tokens as they were."""
    return living_stage.copy(tmp_path_factory.mktemp("refused") / "stage")


@pytest.fixture(scope="module")
def objects(unchanged: Stage) -> dict[str, list[str]]:
    return livingkit.objects(unchanged, TOKENS)


def _lay(stage: Stage, plan: Plan, people: tuple[str, ...] = EVERYBODY, at: datetime | None = None) -> list[str]:
    """A plan and approvals as they come from a stick, made by no tool of ours; the command that carries it out."""
    pending = stage.ledger / "pending"
    for path in [*pending.glob("*.cms"), *pending.glob("*.plan.json")]:
        path.unlink()
    path = pending / f"{plan.sequence:06}.plan.json"
    path.write_bytes(canonical.encode(plan))
    for person in people:
        stage.sign(path.relative_to(stage.folder), person, at=at)
    return ["execute", str(path.relative_to(stage.folder)), *where(stage)]


def _plan(stage: Stage, *actions: Action, **changes: object) -> Plan:
    return msgspec.structs.replace(livingkit.drawn(stage, *actions), **changes)


def _refused(stage: Stage, command: list[str], objects: dict[str, list[str]], error: str, message: str) -> None:
    held = sorted(path.name for path in stage.ledger.glob("*.cms"))
    done = stage.run(*command)
    assert (done.error, done.code) == (error, 4), done.err
    assert message in done.message, done.message
    assert livingkit.objects(stage, TOKENS) == objects
    assert sorted(path.name for path in stage.ledger.glob("*.cms")) == held
    assert not list((stage.ledger / "pending").glob("*.journal.jsonl"))


def _illegal_moves() -> Iterator[tuple[type[Action], str]]:
    """Every action on a key, on a key in every state that the table does not let it start from."""
    states = dict(
        zip(KEYS, ("active", "retired", "active", "active", "active", "suspended", "generated"), strict=False)
    )
    for kind in get_args(KeyAction):
        row = TRANSITIONS[str(kind.__struct_config__.tag)]
        for key in KEYS:
            state = states.get(key)
            current = key in ("spin.1", "sspin.B.2", "sspin.C.2")
            allowed = state in row.sources and not (row.forbids_current and current)
            if not allowed:
                yield kind, key


@pytest.mark.parametrize(("kind", "key"), list(_illegal_moves()), ids=lambda one: getattr(one, "__name__", one))
def test_every_illegal_transition(
    unchanged: Stage, objects: dict[str, list[str]], kind: type[KeyAction], key: str
) -> None:
    command = _lay(unchanged, _plan(unchanged, kind(generation=key)))
    name = action_name(kind(generation=key))
    _refused(unchanged, command, objects, "IllegalAction", f"action 1: {key}: {name}: the key is ")


def _giving_up(stage: Stage, generation: str) -> Restore:
    serials = stage.serials
    return Restore(token_label="spare", token_serial=serials["spare"], source=serials["backup-1"], lost=(generation,))


ILLEGAL: list[tuple[str, Callable[[Stage], tuple[Action, ...]], str]] = [
    ("a generation that exists", lambda s: (Generate(generation="sspin.B.2", parent="spin.1"),), "the key is active"),
    (
        "a generation left out",
        lambda s: (Generate(generation="sspin.B.4", parent="spin.1"),),
        "the next generation is sspin.B.3",
    ),
    (
        "a copy on a token that is no backup token",
        lambda s: (Generate(generation="sspin.B.3", parent="spin.1", backups=(s.serials["backup-2"],)),),
        "is no backup token of this ledger",
    ),
    (
        "the appliance's token as a backup token",
        lambda s: (EnrollBackup(token_label="kagimori", token_serial=s.serials["kagimori"], copy_from=None),),
        "has a part in this ledger already",
    ),
    (
        "a backup token that is none",
        lambda s: (RemoveBackup(token_serial=s.serials["backup-2"], lost=True),),
        "is no backup token of this ledger; it has: ",
    ),
    (
        "a restore on the backup token itself",
        lambda s: (Restore(token_label="backup-1", token_serial=s.serials["backup-1"], source=s.serials["backup-1"]),),
        "has a part in this ledger already",
    ),
    ("a restore that gives up a key with a copy", lambda s: (_giving_up(s, "sspin.C.1"),), "must not be given up"),
    ("a restore that gives up a key there is not", lambda s: (_giving_up(s, "sspin.F.1"),), "the key is not there"),
]


@pytest.mark.parametrize(("actions", "message"), [row[1:] for row in ILLEGAL], ids=[row[0] for row in ILLEGAL])
def test_what_a_rule_about_keys_or_tokens_forbids(
    unchanged: Stage, objects: dict[str, list[str]], actions: Callable[[Stage], tuple[Action, ...]], message: str
) -> None:
    _refused(unchanged, _lay(unchanged, _plan(unchanged, *actions(unchanged))), objects, "IllegalAction", message)


@pytest.mark.parametrize(
    ("people", "message"),
    [
        (("officer-1", "officer-2", "officer-3"), "quorum: 0 of 1 oversight approvals"),
        (("officer-1", "officer-2", "oversight-1"), "quorum: 2 of 3 officer approvals (still can: officer-3)"),
        ((), "quorum: 0 of 3 officer approvals"),
    ],
)
def test_a_quorum_that_is_short(
    unchanged: Stage, objects: dict[str, list[str]], people: tuple[str, ...], message: str
) -> None:
    command = _lay(unchanged, _plan(unchanged, Destroy(generation="sspin.B.1")), people)
    _refused(unchanged, command, objects, "QuorumShort", message)


DESTROY = Destroy(generation="sspin.B.1")
HOUR = timedelta(hours=1)


def test_an_expired_plan(unchanged: Stage, objects: dict[str, list[str]]) -> None:
    then = datetime.now(UTC) - 48 * HOUR
    times = {"created": f"{then:%Y-%m-%dT%H:%M:%SZ}", "expires": f"{then + HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    command = _lay(unchanged, _plan(unchanged, DESTROY, **times), at=then + HOUR / 2)
    _refused(unchanged, command, objects, "PlanExpired", "expired at")


def test_a_plan_from_the_future(unchanged: Stage, objects: dict[str, list[str]]) -> None:
    then = datetime.now(UTC) + 48 * HOUR
    times = {"created": f"{then:%Y-%m-%dT%H:%M:%SZ}", "expires": f"{then + HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    command = _lay(unchanged, _plan(unchanged, DESTROY, **times), at=then + HOUR / 2)
    _refused(unchanged, command, objects, "NotYetValid", "but it is")


def test_a_stale_plan(unchanged: Stage, objects: dict[str, list[str]]) -> None:
    command = _lay(unchanged, _plan(unchanged, DESTROY, previous="ab" * 32))
    _refused(
        unchanged, command, objects, "WrongPrevious", "was drafted from another head than the ledger's present one"
    )


def test_a_plan_of_another_place(unchanged: Stage, objects: dict[str, list[str]]) -> None:
    command = _lay(unchanged, _plan(unchanged, DESTROY, sequence=9))
    _refused(unchanged, command, objects, "WrongSequence", "is plan 9; the ledger's next is 4")


def test_a_foreign_signature(unchanged: Stage, objects: dict[str, list[str]]) -> None:
    command = _lay(unchanged, _plan(unchanged, DESTROY), EVERYBODY[1:])
    stage = Stage(unchanged.folder, unchanged.serials, unchanged.anchor, _strangers())
    stage.sign(unchanged.newest_plan(), "officer-1")
    _refused(unchanged, command, objects, "StrangeSigner", "signed by CN=officer-1, who is not in the roster")


def _strangers() -> dict[str, PemSigner]:
    return {"officer-1": enroll.in_memory("officer-1", "保安責任者 一郎", "officer")[1]}


def test_a_plan_altered_after_approval(unchanged: Stage, objects: dict[str, list[str]]) -> None:
    plan = _plan(unchanged, DESTROY)
    command = _lay(unchanged, plan)
    altered = msgspec.structs.replace(plan, actions=(Destroy(generation="sspin.C.1"),))
    (unchanged.folder / command[1]).write_bytes(canonical.encode(altered))
    done = unchanged.run(*command)
    assert (done.error, done.code) == ("PlanAltered", 1)
    assert "approves other bytes than" in done.message
    assert livingkit.objects(unchanged, TOKENS) == objects


def _with(roster: Roster, **thresholds: Threshold) -> Roster:
    return msgspec.structs.replace(roster, thresholds={**roster.thresholds, **thresholds})


def _both(roster: Roster) -> Roster:
    """Oversight's person under another id and key, as an officer."""
    watcher = next(person for person in roster.people if person.role == "oversight")
    card, _ = enroll.in_memory("officer-9", watcher.name, "officer")
    return msgspec.structs.replace(roster, people=(*roster.people, card))


def _twice(roster: Roster) -> Roster:
    """One key for an officer and for oversight."""
    officer = next(person for person in roster.people if person.role == "officer")
    double = Person(id="oversight-9", name="別人", role="oversight", certificate=officer.certificate)
    return msgspec.structs.replace(roster, people=(*roster.people, double))


BAD_ROSTERS: list[tuple[str, Callable[[Roster], Roster], str]] = [
    ("a zero threshold", lambda r: _with(r, keys=Threshold(officers=0, oversight=1)), "at least 1 is needed"),
    ("no oversight", lambda r: _with(r, destroy=Threshold(officers=3, oversight=0)), "at least 1 is needed"),
    (
        "an impossible threshold",
        lambda r: _with(r, tokens=Threshold(officers=4, oversight=1)),
        "tokens: 4 officer approvals, but the roster has 3",
    ),
    ("officer and oversight in one person", _both, "is both officer and oversight; nobody may be both"),
    ("officer and oversight with one key", _twice, "have the same certificate"),
]


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in BAD_ROSTERS], ids=[row[0] for row in BAD_ROSTERS])
def test_a_roster_that_breaks_a_rule(
    unchanged: Stage, objects: dict[str, list[str]], change: Callable[[Roster], Roster], message: str
) -> None:
    roster = change(unchanged.state().roster)
    plan = msgspec.structs.replace(_plan(unchanged, DESTROY), actions=(ChangeRoster(roster=roster),))
    _refused(unchanged, _lay(unchanged, plan), objects, "RosterInvalid", message)
