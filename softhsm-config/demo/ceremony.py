"""The key ceremony of the demo: every step by the real command line, each person with their own token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import tokens
from layout import APPLIANCE, BACKUP, LABELS, PROJECT, ROLES, DemoError, Layout, Tools
from running import Runner
from steps import Steps
from watching import make_witness

from appliance.numbers.domains import DEFAULT_SECTORS
from keyceremony.words import last_four, words_of

PEOPLE = (
    ("officer-1", "佐藤 花子", "officer"),
    ("officer-2", "鈴木 一郎", "officer"),
    ("officer-3", "高橋 美咲", "officer"),
    ("oversight-1", "監視機関 田中 誠", "oversight"),
)
DOMAINS = ("common", "spin", *(f"sspin.{letter}" for letter in DEFAULT_SECTORS))
KEYS = (*DOMAINS, "tag", "log")

_POLICY = """
[keys]
backups = 1

[policy.numbering]
pairs = [["resident", "common"], {pairs}]
purposes = ["numbering", "linking"]
values_per_request = 1000
values_per_stream = 10_000_000
values_per_minute = 60_000_000

[policy.hub]
among = [{sectors}]
purposes = ["benefit-check", "tax-assessment", "premium-check", "licence-check", "self-check"]
values_per_request = 1000
values_per_stream = 10_000_000
values_per_minute = 60_000_000

[policy.rekey]
pairs = [{same}]
purposes = ["re-keying"]
values_per_request = 1000
values_per_stream = 10_000_000
values_per_minute = 60_000_000

[policy.oversight]
log = true

[policy.portal]
history = ["common"]
values_per_minute = 6000
"""


def hold(layout: Layout, tools: Tools, runner: Runner, steps: Steps) -> None:
    """Tokens, participants, genesis, a backup token, and one plan that makes and activates every key there must be."""
    with steps.step("Tokens in SoftHSM2") as step:
        tokens.make(layout, tools, runner, LABELS)
        step.result = f"{len(LABELS)}: the appliance's, one for backup, and one for each person"
    with steps.step("Enrolment, each on their own token") as step:
        runner.both_hands(*(lambda p=p, n=n, r=r: _enroll(layout, tools, runner, p, n, r) for p, n, r in PEOPLE))
        step.result = "three officers (保安責任者) and the oversight body (監視機関)"
    with steps.step("The oversight body's witness keys, for co-signing the log") as step:
        witness = make_witness(layout, runner)
        step.result = "Ed25519 and ML-DSA-44; their public halves go into the policy"
    with steps.step("Genesis of the ledger") as step:
        _found(layout, tools, runner, witness)
        step.result = f"approved by {len(PEOPLE)} people, carried out"
    with steps.step("Backup token enrolled, its transport key trusted by the SO") as step:
        _enroll_backup(layout, tools, runner)
        step.result = "from now on every key but the log's is copied to it before it is sealed"
    with steps.step("First keys, generated and activated in one plan") as step:
        approvers = _make_keys(layout, tools, runner)
        step.result = (
            f"{len(DOMAINS)} to convert with, one for subject tags, one that signs the log and has no copy;"
            f" approved by {', '.join(approvers)}"
        )
    with steps.step("Its script and its minutes, in Japanese and English") as step:
        runner("keyceremony", "minutes", "3", "--out", layout.minutes, "--config", layout.config)
        step.result = f"{_from_here(layout.script)} and {_from_here(layout.minutes)}: to be printed from a browser"
    with steps.step("Inventory of both tokens against the ledger") as step:
        step.result = _inventory(layout, runner)
    with steps.step("The whole ledger verified, without a token") as step:
        said = runner("keyceremony", "verify", "--config", layout.config)
        step.result = next(line for line in said.splitlines() if line.startswith("Verified")).removeprefix("Verified: ")


def carry_out(
    layout: Layout, tools: Tools, runner: Runner, plan: Path, people: Sequence[str], so_pin: Sequence[str] = ()
) -> None:
    """Approve a plan, each on their own token, and carry it out."""
    words = last_four(words_of(plan.read_bytes()))

    def approve(person: str) -> None:
        how: list[str | Path] = ["--confirm-words", words, "--config", layout.config]
        runner("keyceremony", "approve", plan, "--as", person, *_key(layout, tools, person), *how, token=person)

    runner.both_hands(*(lambda person=person: approve(person) for person in people))
    pins = [*_backup_pin(layout), *so_pin]
    runner("keyceremony", "execute", plan, *pins, "--config", layout.config, "--operator", "make demo")


def _enroll(layout: Layout, tools: Tools, runner: Runner, person: str, name: str, role: str) -> None:
    who: list[str | Path] = ["--id", person, "--name", name, "--role", role, "--out", _card(layout, person)]
    key = _key(layout, tools, person)
    runner("keyceremony", "enroll", *who, *key, token=person)


def _key(layout: Layout, tools: Tools, person: str) -> list[str | Path]:
    return ["--token", person, "--pin-file", layout.pin_file(person), "--module", tools.module]


def _card(layout: Layout, person: str) -> Path:
    return layout.cards / f"{person}.json"


def _found(layout: Layout, tools: Tools, runner: Runner, witness: Sequence[str]) -> None:
    setup = layout.folder / "setup.toml"
    setup.write_text(_setup(layout, tools, runner, witness), encoding="utf-8")
    runner("keyceremony", "plan", "genesis", setup, "--ledger", layout.ledger)
    plan = layout.ledger / "pending" / "000001.plan.json"
    anchor = hashlib.sha256(plan.read_bytes()).hexdigest()
    layout.config.write_text(_configuration(layout, tools, anchor), encoding="utf-8")
    carry_out(layout, tools, runner, plan, [person for person, _, _ in PEOPLE])


def _enroll_backup(layout: Layout, tools: Tools, runner: Runner) -> None:
    serial = tokens.serial(layout, tools, runner, BACKUP)
    which = ["--label", BACKUP, "--serial", serial]
    runner("keyceremony", "plan", "backup", "enroll", *which, "--config", layout.config)
    plan = layout.ledger / "pending" / "000002.plan.json"
    so_pin = ["--so-pin", f"{APPLIANCE}={layout.pin_file(APPLIANCE)}.so"]
    carry_out(layout, tools, runner, plan, [person for person, _, _ in PEOPLE], so_pin)


def _make_keys(layout: Layout, tools: Tools, runner: Runner) -> list[str]:
    actions = [action for name in KEYS for action in (f"generate {name}", f"activate {name}.1")]
    title = "First keys: 共通番号, 国民ID, the sectors A to F, and those of the log"
    runner("keyceremony", "plan", "keys", *actions, "--title", title, "--config", layout.config)
    plan = layout.ledger / "pending" / "000003.plan.json"
    runner("keyceremony", "script", plan, "--out", layout.script, "--config", layout.config)
    approvers = ["officer-1", "officer-2", "oversight-1"]
    carry_out(layout, tools, runner, plan, approvers)
    return approvers


def _inventory(layout: Layout, runner: Runner) -> str:
    """What was found; exit code 1 says that something is due, and in a demo recovery was never rehearsed.

    Raises:
        DemoError: something on a token is not as the ledger says.
    """
    options = ["--all", "--json", "--config", str(layout.config), *_backup_pin(layout)]
    told = json.loads(runner("keyceremony", "inventory", *options, codes=(0, 1)))
    if any(one["attention"] for one in told["findings"]):
        raise DemoError("a token is not as the ledger says", f"which one is in {layout.log}")
    due = ", ".join(one["kind"] for one in told["reminders"]) or "nothing"
    return f"{len(told['findings'])} objects, each as the ledger says; due: {due}"


def _backup_pin(layout: Layout) -> list[str]:
    return ["--pin", f"{BACKUP}={layout.pin_file(BACKUP)}"]


def _setup(layout: Layout, tools: Tools, runner: Runner, witness: Sequence[str]) -> str:
    sectors = [f"sspin.{letter}" for letter in DEFAULT_SECTORS]
    cards = ", ".join(f'"{_card(layout, person).relative_to(layout.folder)}"' for person, _, _ in PEOPLE)
    head = f"""# What the genesis of the demo's ledger is made from (keyceremony plan genesis)
title = "Genesis of the demo"
participants = [{cards}]

[token]
label = "{APPLIANCE}"
serial = "{tokens.serial(layout, tools, runner, APPLIANCE)}"
"""
    pairs = ", ".join(f'["resident", "{sector}"]' for sector in sectors)
    same = ", ".join(f'["{sector}", "{sector}"]' for sector in sectors)
    keys = ",\n  ".join(f'"{vkey}"' for vkey in witness)
    watched = f"\n[log]\nwarn_seconds = 86_400\nrefuse_seconds = 604_800\nwitnesses = [\n  {keys},\n]\n"
    among = ", ".join(f'"{sector}"' for sector in sectors)
    return head + _POLICY.format(pairs=pairs, same=same, sectors=among) + watched


def _configuration(layout: Layout, tools: Tools, anchor: str) -> str:
    text = f"""# The demo's appliance (docs/configuration.md); paths are relative to this file
[token]
module = "{tools.module}"
label = "{APPLIANCE}"
pin_file = "../pins/{APPLIANCE}"

[ledger]
directory = "ledger"
trust_anchor = "{anchor}"

[state]
directory = "state"

[audit]
directory = "audit"
"""
    for role in ROLES:
        text += f'\n[[socket]]\nrole = "{role}"\npath = "{_relative(layout, role)}"\n'
    return text


def _from_here(path: Path) -> Path:
    return path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path


def _relative(layout: Layout, role: str) -> Path:
    path = layout.socket(role)
    return path.relative_to(layout.home) if path.is_relative_to(layout.home) else path
