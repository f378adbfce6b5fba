"""A small world for tests: an appliance token, people, and a ledger made by real ceremonies, in a folder of its own.

`build_world` drafts and approves in this process, with software keys; what touches the token runs as
``python -m keyceremony.cli execute`` in a process of its own. So the calling process never initialises
PKCS#11, and any number of worlds can exist. To look at one: ``python -m tests.world FOLDER``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

from msgspec.structs import replace

from appliance.ledger import chain, files, fold
from appliance.ledger.actions import DomainSpec, Found
from appliance.ledger.plan import Plan
from appliance.ledger.policy import Policy, RoleRule
from appliance.ledger.roster import DEFAULT_THRESHOLDS, Person, Role, Roster
from keyceremony import workspace
from keyceremony.people import cards, enroll
from keyceremony.people.signers import PemSigner
from keyceremony.plans import drafting, setup_file
from keyceremony.table import papers
from keyceremony.table.approve import approve

PROJECT = Path(__file__).resolve().parent.parent
TOKEN_LABEL = "kagimori-test"
PIN = "20260401"
SECTORS = tuple(f"sspin.{letter}" for letter in "ABCDEF")
KEYS = ("common", "spin", *SECTORS)
SERVICE_KEYS = ("log", "tag")
ROLES = ("hub", "numbering", "oversight", "portal")
PURPOSES = ("benefit-check", "tax-assessment", "exchange")
PEOPLE: tuple[tuple[str, str, Role], ...] = (
    ("officer-1", "保安責任者 一郎", "officer"),
    ("officer-2", "保安責任者 二葉", "officer"),
    ("officer-3", "保安責任者 三郎", "officer"),
    ("oversight-1", "監視機関 四季", "oversight"),
)


@dataclass
class World:
    """A folder with everything a daemon needs. ``signers`` are the people's software keys, by id.

    ``more_env``: environment variables besides (those of `tests.shimkit`).
    """

    folder: Path
    anchor: str = ""
    pin: str = PIN
    signers: dict[str, PemSigner] = field(default_factory=dict)
    more_env: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "kagimori.toml"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def state_directory(self) -> Path:
        return self.folder / "state"

    @property
    def audit_directory(self) -> Path:
        return self.folder / "audit"

    @property
    def audit_segment(self) -> Path:
        """The first (and in tests mostly the only) segment of the audit log."""
        return self.audit_directory / "entries" / "000000000"

    @property
    def pin_file(self) -> Path:
        return self.folder / "pin"

    @property
    def module(self) -> Path:
        return softhsm()["KAGIMORI_SOFTHSM_MODULE"]

    @property
    def token_label(self) -> str:
        return TOKEN_LABEL

    @property
    def environment(self) -> dict[str, str]:
        return self.env

    @property
    def hub_socket(self) -> Path:
        return self.socket("hub")

    @property
    def env(self) -> dict[str, str]:
        """The environment in which processes see this world's tokens."""
        own = {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"), "PYTHONPATH": str(PROJECT)}
        return {**os.environ, **own, **self.more_env}

    def socket(self, role: str) -> Path:
        """Where the daemon listens for a role."""
        return self.folder / "run" / f"{role}.sock"

    def state(self) -> fold.LedgerState:
        """The ledger's state, verified anew."""
        return chain.verify(files.read(self.ledger), self.anchor)

    def ceremony(
        self, actions: Sequence[str], title: str = "A ceremony", approvers: Sequence[str] = ()
    ) -> fold.LedgerState:
        """Draft, approve and carry out key actions; the state after it."""
        plan = drafting.keys(self.state(), actions, title=title, now=datetime.now(UTC))
        return self.carry_out(plan, approvers or ("officer-1", "officer-2", "oversight-1"))

    def carry_out(self, plan: Plan, approvers: Sequence[str]) -> fold.LedgerState:
        """Approve a plan with software keys and execute it in a process of its own."""
        path = workspace.plan_path(self.ledger, plan.sequence)
        workspace.make_pending(self.ledger)
        paper = papers.paper_of(path, plan)
        workspace.create(path, paper.data)
        roster = papers.roster_for(plan, self.state() if plan.sequence > 1 else None)
        for person in approvers:
            approve(paper, papers.person_in(roster, person), self.signers[person], now=datetime.now(UTC))
        done = self.keyceremony("execute", str(path), "--config", str(self.config), "--operator", "test kit")
        if done.returncode:
            raise AssertionError(f"execute ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return self.state()

    def keyceremony(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the ceremony tool in this world."""
        command = [sys.executable, "-m", "keyceremony.cli", *arguments]
        return subprocess.run(
            command, env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )


def build_world(
    folder: Path,
    *,
    domains: Sequence[DomainSpec] | None = None,
    policy: Policy | None = None,
    keys: Sequence[str] = KEYS,
    audit: bool = True,
) -> World:
    """Found a ledger in the folder and make and activate ``keys`` (domains, parents before children) and service keys.

    Args:
        folder: made if it is not there; must hold no world yet.
        domains: the domain tree; default: the scheme's own with sectors A–F.
        policy: default `default_policy` for the domains.
        keys: domains that get a first key, as the log and the tags do then; empty: genesis only.
        audit: make the audit folder (without it, a daemon must refuse to start).
    """
    world = World(folder.resolve())
    for name in ("", "tokens", "ledger", "state", "run", *(("audit",) if audit else ())):
        (world.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    serial = _make_token(world)
    plan = _genesis(world, serial, tuple(domains or setup_file.default_specs()), policy)
    world.anchor = papers.paper_of(world.folder, plan).digest
    world.config.write_text(_configuration(world, policy.roles if policy else ROLES), encoding="utf-8")
    world.carry_out(plan, [person for person, _, _ in PEOPLE])
    if keys:
        made = [*keys, *(name for name in SERVICE_KEYS if name not in keys)]
        actions = [*(f"generate {name}" for name in made), *(f"activate {name}.1" for name in made)]
        world.ceremony(actions, "First keys")
    return world


def default_policy(domains: Sequence[DomainSpec]) -> Policy:
    """hub: all ordered pairs of sectors; numbering: from the resident code; oversight: the log; portal: histories."""
    names = [domain.name for domain in domains]
    sectors = [name for name in names if name.startswith("sspin.")]
    targets = [*(["common"] if "common" in names else []), *sectors]
    hub = _rule(tuple(permutations(sectors, 2)), PURPOSES)
    numbering = _rule(tuple(("resident", target) for target in targets), ("linking", "numbering"))
    nothing = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=0)
    oversight = replace(nothing, log=True)
    by = ("common",) if "common" in names else ()
    portal = replace(nothing, history=by, values_per_minute=1_000_000 if by else 0)
    return Policy(roles={"hub": hub, "numbering": numbering, "oversight": oversight, "portal": portal})


def _rule(pairs: tuple[tuple[str, str], ...], purposes: tuple[str, ...]) -> RoleRule:
    return RoleRule(
        pairs=pairs,
        purposes=purposes,
        values_per_request=10_000,
        values_per_stream=100_000_000,
        values_per_minute=1_000_000_000,
    )


def softhsm() -> Mapping[str, Path]:
    """Where module and tools are, as softhsm-config/bootstrap.sh has written it. No SoftHSM is a failure."""
    written = PROJECT / "var" / "softhsm" / "env"
    if not written.is_file():
        raise AssertionError("SoftHSM2 is not set up here: run `make softhsm` (or `make test`, which does)")
    pairs = (line.split("=", 1) for line in written.read_text(encoding="utf-8").splitlines())
    return {name: Path(value) for name, value in pairs}


def init_token(folder: Path, label: str, pin: str) -> str:
    """Make a token in the folder's own token store (written on first use); its serial number."""
    configuration = folder / "softhsm2.conf"
    if not configuration.exists():
        (folder / "tokens").mkdir(mode=0o700, parents=True, exist_ok=True)
        template = (PROJECT / "softhsm-config" / "softhsm2.conf.in").read_text(encoding="utf-8")
        configuration.write_text(template.replace("@TOKENS@", str(folder / "tokens")), encoding="utf-8")
    environment = {**os.environ, "SOFTHSM2_CONF": str(configuration)}
    tool = str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"])
    make = [tool, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", f"so-{pin}"]
    subprocess.run(make, env=environment, check=True, capture_output=True, text=True, timeout=60)
    return _serial_of(tool, environment, label)


def _serial_of(tool: str, environment: Mapping[str, str], label: str) -> str:
    shown = subprocess.run([tool, "--show-slots"], env=environment, check=True, capture_output=True, text=True)
    serial = ""
    for line in shown.stdout.splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        if name == "Serial number":
            serial = value
        if name == "Label" and value == label:
            return serial
    raise AssertionError(f"softhsm2-util shows no token {label}")


def _make_token(world: World) -> str:
    serial = init_token(world.folder, TOKEN_LABEL, world.pin)
    world.pin_file.write_text(world.pin + "\n", encoding="ascii")
    world.pin_file.chmod(0o600)
    return serial


def _genesis(world: World, serial: str, domains: Sequence[DomainSpec], policy: Policy | None) -> Plan:
    found = Found(
        token_label=TOKEN_LABEL,
        token_serial=serial,
        roster=Roster(people=_enrol(world), thresholds=dict(DEFAULT_THRESHOLDS)),
        domains=tuple(domains),
        policy=policy or default_policy(domains),
    )
    return drafting.founding(found, title="Genesis of a test world", now=datetime.now(UTC))


def _enrol(world: World) -> tuple[Person, ...]:
    people = []
    for person_id, name, role in PEOPLE:
        person, world.signers[person_id] = enroll.in_memory(person_id, name, role)
        cards.write(world.folder / f"{person_id}.json", person)
        people.append(person)
    return tuple(people)


def _configuration(world: World, roles: Sequence[str] | Mapping[str, RoleRule]) -> str:
    sockets = "".join(f'\n[[socket]]\nrole = "{role}"\npath = "run/{role}.sock"\n' for role in roles)
    return f"""[token]
module = "{world.module}"
label = "{TOKEN_LABEL}"
pin_file = "pin"

[ledger]
directory = "ledger"
trust_anchor = "{world.anchor}"

[state]
directory = "state"

[audit]
directory = "audit"
{sockets}"""


if __name__ == "__main__":
    print(build_world(Path(sys.argv[1])).config)
