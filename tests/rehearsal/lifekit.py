"""A small life of a ledger for rehearsals to replay: every kind of action, made by the real ``keyceremony execute``.

People have software keys, in this process; every command runs in one of its own.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from appliance.ledger import chain, cms, files
from appliance.ledger import plan as plans
from appliance.ledger.actions import (
    Action,
    Activate,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    Drill,
    EnrollBackup,
    EnrollClone,
    Found,
    Generate,
    Ratify,
    RemoveBackup,
    RemoveClone,
    Restore,
    Restrict,
    Retire,
    Suspend,
    UpdateClone,
)
from appliance.ledger.chain import Entry
from appliance.ledger.policy import KeyRules
from appliance.ledger.roster import DEFAULT_THRESHOLDS, Person, Roster
from appliance.ledger.state import LedgerState
from appliance.ledger.text import render_instant
from keyceremony import workspace
from keyceremony.people import enroll
from keyceremony.plans import setup_file
from keyceremony.table import papers
from tests.world import PEOPLE, PROJECT, default_policy, init_token, softhsm

PIN = "27182818"
APPLIANCE = "kagimori"
LABELS = (APPLIANCE, "backup-1", "backup-2", "spare", "scratch", "clone")


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Life:
    """A folder with tokens, PIN files and a ledger. ``signers``: everybody's keys by certificate (base64)."""

    folder: Path
    anchor: str = ""
    serials: dict[str, str] = field(default_factory=dict)
    signers: dict[str, cms.Signer] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"), "PYTHONPATH": str(PROJECT)}

    @property
    def where(self) -> list[str]:
        """The options of a rehearsal of this ledger."""
        return ["--anchor", self.anchor, "--module", str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])]

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Done:
        """The command line in the folder ``work``, where nothing else is."""
        (self.folder.parent / "work").mkdir(exist_ok=True)
        command = [sys.executable, "-m", "keyceremony.cli", *arguments]
        done = subprocess.run(
            command, env=env or self.env, cwd=self.folder.parent / "work", capture_output=True, text=True, timeout=300
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def held(self) -> dict[str, bytes]:
        return files.read(self.ledger)

    def state(self) -> LedgerState:
        return chain.verify(self.held(), self.anchor)

    def genesis_plan(self, folder: Path) -> Path:
        """The plan that founded the ledger, as a file in a folder where there is no ledger."""
        path = folder / "000001.plan.json"
        path.write_bytes(chain.open_authorization(self.held()["000001.authorization.cms"]).plan_bytes)
        return path

    def person(self, person_id: str, name: str, role: str) -> Person:
        person, signer = enroll.in_memory(person_id, name, role)  # type: ignore[arg-type]
        self.signers[person.certificate] = signer
        return person

    def draft(self, *actions: Action, title: str = "A plan", valid: timedelta = timedelta(days=7)) -> papers.Paper:
        """A plan of these actions in the pending folder."""
        state = self.state() if self.anchor else None
        now = datetime.now(UTC) - timedelta(seconds=1)
        plan = plans.Plan(
            type="kagimori/plan/v1",
            sequence=state.sequence + 1 if state else 1,
            previous=state.head if state else plans.NO_PREVIOUS,
            title=title,
            created=render_instant(now),
            expires=render_instant(now + valid),
            rehearsal=False,
            actions=actions,
        )
        plans.validate(plan)
        paper = papers.paper_of(workspace.plan_path(self.ledger, plan.sequence), plan)
        workspace.make_pending(self.ledger)
        workspace.create(paper.path, paper.data)
        return paper

    def carry_out(self, *actions: Action, title: str, joining: Iterable[Person] = ()) -> None:
        """Drafted, approved by everybody, executed."""
        paper = self.draft(*actions, title=title)
        roster = papers.roster_for(paper.plan, self.state() if self.anchor else None)
        people = {person.certificate: person for person in (*roster.people, *joining)}
        for number, certificate in enumerate(people):
            path = paper.path.parent / f"{paper.plan.sequence:06}.{number}.approval.cms"
            workspace.create(path, cms.sign(paper.data, self.signers[certificate], datetime.now(UTC)))
        self.anchor = self.anchor or paper.digest
        pins = [
            word for label in LABELS for word in ("--pin", f"{label}=../life/pin", "--so-pin", f"{label}=../life/so")
        ]
        done = self.run("execute", str(paper.path), "--ledger", str(self.ledger), *self.where, *pins)
        assert done.code == 0, done.out + done.err

    def fingerprints(self) -> dict[str, str]:
        """Every file of production, tokens included."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


@dataclass
class Replayed:
    """A replay: what production was before and after it, the folder it made, and what was said."""

    before: dict[str, str]
    after: dict[str, str]
    folder: Path
    done: Done

    def entries(self) -> tuple[Entry, ...]:
        """The rehearsal's own ledger, verified against its own anchor."""
        held = files.read(self.folder / "ledger")
        plan = chain.open_authorization(held["000001.authorization.cms"])
        return chain.verify_entries(held, chain.anchor_of(plan.plan_bytes))

    def state(self) -> LedgerState:
        return self.entries()[-1].state


def bare(folder: Path) -> Life:
    """Tokens and PIN files."""
    life = Life(folder)
    folder.mkdir(parents=True)
    for label in LABELS:
        life.serials[label] = init_token(folder, label, PIN)
    for name, pin in {"pin": PIN, "so": f"so-{PIN}"}.items():
        (folder / name).write_text(f"{pin}\n")
        (folder / name).chmod(0o600)
    return life


def founding(life: Life) -> Found:
    """The genesis of the life."""
    domains = setup_file.default_specs()
    people = tuple(life.person(*one) for one in PEOPLE)
    roster = Roster(people=people, thresholds=dict(DEFAULT_THRESHOLDS))
    return Found(
        token_label=APPLIANCE,
        token_serial=life.serials[APPLIANCE],
        roster=roster,
        domains=domains,
        policy=default_policy(domains),
    )


def generate(text: str, *backups: str) -> Generate:
    """A key with copies."""
    return Generate(
        generation=text, parent="spin.1" if text.startswith("sspin") else None, backups=tuple(sorted(backups))
    )


def lived(life: Life) -> Life:
    """From genesis to a restored token that signs the log again, and a clone that came and went: eighteen entries."""
    one, two = life.serials["backup-1"], life.serials["backup-2"]
    life.carry_out(founding(life), title="Genesis of a small life")
    life.carry_out(_enrolled(life, "backup-1", None), title="A backup token")
    first = ["spin.1", "sspin.B.1", "sspin.E.1", "tag.1"]
    made: list[Action] = [generate("log.1"), *(generate(text, one) for text in first)]
    life.carry_out(*made, *(Activate(generation=text) for text in ["log.1", *first]), title="First keys")
    new = (
        generate("sspin.B.2", one),
        generate("log.2"),
        Activate(generation="sspin.B.2"),
        Activate(generation="log.2"),
    )
    life.carry_out(*new, title="Rotation of B and of the log key")
    life.carry_out(
        Restrict(generation="sspin.B.1"), Suspend(generation="sspin.E.1"), title="The old key of B; an alarm in E"
    )
    _change_people(life)
    life.carry_out(*_new_rules(life), Ratify(generation="sspin.E.1"), title="A sector more, and stricter rules")
    gone = [kind(generation="sspin.B.1") for kind in (Retire, Destroy)]
    log = [kind(generation="log.1") for kind in (Restrict, Retire, Destroy)]
    life.carry_out(*gone, *log, title="The old key of B goes")
    life.carry_out(_enrolled(life, "backup-2", one), title="A second backup token")
    for source in (one, two):
        life.carry_out(
            Drill(token_label="scratch", token_serial=life.serials["scratch"], source=source), title="A drill"
        )
    life.carry_out(RemoveBackup(token_serial=one, lost=True), title="backup-1 was stolen")
    restore = Restore(token_label="spare", token_serial=life.serials["spare"], source=two, lost=("log.2",))
    life.carry_out(restore, title="A new appliance token")
    life.carry_out(generate("log.3"), Activate(generation="log.3"), title="It signs the log again")
    _clone(life, two)
    return life


def _clone(life: Life, source: str) -> None:
    """A clone with a log of its own, a new key for it, and its end."""
    serial = life.serials["clone"]
    enrol = EnrollClone(token_label="clone", token_serial=serial, source=source, log_name="osaka")
    life.carry_out(enrol, title="An appliance of its own in Osaka")
    life.carry_out(generate("sspin.B.3", source), title="A new key of B")
    life.carry_out(UpdateClone(token_serial=serial, source=source), title="Osaka gets it as well")
    life.carry_out(RemoveClone(token_serial=serial, lost=False), title="Osaka is closed")


def _enrolled(life: Life, label: str, source: str | None) -> EnrollBackup:
    return EnrollBackup(token_label=label, token_serial=life.serials[label], copy_from=source)


def _change_people(life: Life) -> None:
    """officer-3 leaves, officer-4 comes, the certificate of oversight-1 is renewed."""
    present = life.state().roster
    new = (
        life.person("officer-4", "保安責任者 四葉", "officer"),
        life.person("oversight-1", "監視機関 四季", "oversight"),
    )
    left: Sequence[Person] = present.people[:2]
    roster = replace(present, people=(*left, *new))
    life.carry_out(ChangeRoster(roster=roster), title="People come and go", joining=new)


def _new_rules(life: Life) -> list[Action]:
    state = life.state()
    sibling = next(domain for domain in state.domains if domain.name == "sspin.F")
    sector = AddDomain(domain=replace(sibling, name="sspin.G", title="医療 (health)"))
    return [sector, ChangePolicy(policy=replace(state.policy, keys=KeyRules(backups=1, drill_days=180)))]
