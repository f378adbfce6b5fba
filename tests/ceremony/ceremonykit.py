"""A stage for ceremonies: real tokens for the appliance and every participant, and the real command line.

Everything runs in processes of its own, so this process never touches PKCS#11. A stage can be copied in the
state it has reached; every test plays on a copy.
"""

from __future__ import annotations

import hashlib
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.ledger import chain, files
from appliance.ledger.fold import LedgerState
from keyceremony import papers
from keyceremony.words import last_four
from tests.world import PROJECT, init_token, softhsm

PIN = "31415926"
APPLIANCE = "kagimori"
PEOPLE = {
    "officer-1": ("保安責任者 一郎", "officer"),
    "officer-2": ("保安責任者 二葉", "officer"),
    "officer-3": ("保安責任者 三郎", "officer"),
    "oversight-1": ("監視機関 四季", "oversight"),
}
OFFICERS = ("officer-1", "officer-2", "officer-3")
QUORUM = ("officer-1", "officer-2", "oversight-1")
FIRST_KEYS = ("generate spin", "generate sspin.B", "generate sspin.E", "activate spin.1", "activate sspin.B.1")
_ON_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)  # the first one a session opens becomes its controlling terminal
for descriptor in (0, 1, 2):
    os.dup2(terminal, descriptor)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        return next((line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")), "")

    @property
    def hint(self) -> str:
        return next((line.removeprefix("hint: ") for line in self.err.splitlines() if line.startswith("hint: ")), "")


@dataclass
class Stage:
    """A folder with tokens, PIN files, cards, a configuration and a ledger."""

    folder: Path
    serials: dict[str, str] = field(default_factory=dict)
    anchor: str = ""

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def env(self) -> dict[str, str]:
        configuration = str(self.folder / "softhsm2.conf")
        return {**os.environ, "SOFTHSM2_CONF": configuration, "PYTHONPATH": str(PROJECT), "COLUMNS": "120"}

    def copy(self, folder: Path) -> Stage:
        """The same stage in another folder."""
        shutil.copytree(self.folder, folder)
        configuration = folder / "softhsm2.conf"
        configuration.write_text(configuration.read_text().replace(str(self.folder), str(folder)))
        return Stage(folder, self.serials, self.anchor)

    # --- commands ------------------------------------------------------------------------------

    def run(self, *arguments: str) -> Done:
        """The command line, in the stage's folder, without a terminal."""
        command = [sys.executable, "-m", "keyceremony.cli", *arguments]
        done = subprocess.run(
            command,
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            start_new_session=True,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert PIN not in done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def must(self, *arguments: str) -> str:
        """The command line, which must succeed; what it printed."""
        done = self.run(*arguments)
        assert done.code == 0, f"keyceremony {' '.join(arguments)}\n{done.out}{done.err}"
        return done.out

    def on_terminal(self, arguments: Sequence[str], answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
        """The command line at a terminal of its own; each answer is typed when its prompt has appeared."""
        controller, terminal = pty.openpty()
        command = [sys.executable, "-m", "keyceremony.cli", *arguments]
        wrapped = [sys.executable, "-c", _ON_TERMINAL, os.ttyname(terminal), *command]
        process = subprocess.Popen(wrapped, env=self.env, cwd=self.folder, start_new_session=True)
        shown, waiting = "", list(answers)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([controller], [], [], 0.2)[0]:
                if process.poll() is not None:
                    break
                continue
            shown += os.read(controller, 65536).decode(errors="replace")
            if waiting and waiting[0][0] in shown.rpartition("\0")[2]:
                os.write(controller, waiting.pop(0)[1].encode() + b"\n")
                shown += "\0"  # later prompts must appear after this
        os.close(controller)
        os.close(terminal)
        return process.wait(timeout=30), shown

    # --- steps of a ceremony -------------------------------------------------------------------

    def plan_keys(self, *actions: str, title: str = "First keys") -> Path:
        """Draft key actions; the plan's path, as it is typed. The first keys may have been drafted in advance."""
        spare = self.folder / "spare" / "000002.plan.json"
        if actions == FIRST_KEYS and spare.is_file():
            shutil.copy(spare, self.ledger / "pending")
            return self.newest_plan()
        self.must("plan", "keys", *actions, "--title", title, "--config", "kagimori.toml")
        return self.newest_plan()

    def newest_plan(self) -> Path:
        return max((self.ledger / "pending").glob("*.plan.json")).relative_to(self.folder)

    def words(self, plan: Path) -> str:
        return last_four(papers.load_plan(self.folder / plan).words)

    def approve(self, plan: Path, *people: str) -> None:
        """Each with their own token; what was approved in advance is only laid out."""
        for person in people:
            spare = self.folder / "spare" / f"000002.{person}.approval.cms"
            if (
                spare.is_file()
                and (self.folder / plan).read_bytes() == (spare.parent / "000002.plan.json").read_bytes()
            ):
                shutil.copy(spare, self.folder / plan.parent)
            else:
                self.must(*self.approve_command(plan, person))

    def approve_command(self, plan: Path, person: str) -> list[str]:
        given = ["--as", person, "--token", person, "--pin-file", "pin", "--confirm-words", self.words(plan)]
        return ["approve", str(plan), *given, "--config", "kagimori.toml"]

    def execute(self, plan: Path, *more: str) -> Done:
        return self.run("execute", str(plan), *more, "--config", "kagimori.toml", "--operator", "operator")

    # --- looking -------------------------------------------------------------------------------

    def state(self) -> LedgerState:
        return chain.verify(files.read(self.ledger), self.anchor)

    def pkcs11_tool(self, *arguments: str, label: str | None = APPLIANCE) -> str:
        """Another program, logged in to a token; what it printed. Without a label it looks at the slots only."""
        tool, module = softhsm()["KAGIMORI_PKCS11_TOOL"], softhsm()["KAGIMORI_SOFTHSM_MODULE"]
        login = ["--token-label", label, "--login", "--pin", PIN] if label else []
        command = [str(tool), "--module", str(module), *login, *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=True, timeout=60).stdout

    def objects(self, label: str = APPLIANCE) -> str:
        """What another program sees on a token."""
        return self.pkcs11_tool("-O", label=label)

    def slots(self) -> str:
        """What another program says of all tokens, flags included."""
        return self.pkcs11_tool("-L", label=None)

    def snapshot(self) -> dict[str, str]:
        """The appliance's objects and every file of the ledger's folder, to be compared."""
        seen = {"objects": self.objects()}
        for path in sorted(self.ledger.rglob("*")):
            if path.is_file() and path.name != "execute.lock":
                seen[str(path.relative_to(self.ledger))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return seen


SETUP = """
title = "Genesis of the test scheme"
participants = ["officer-1.json", "officer-2.json", "officer-3.json", "oversight-1.json"]

[token]
label = "kagimori"
serial = "{serial}"

[policy.hub]
among = ["sspin.A", "sspin.B", "sspin.C", "sspin.D", "sspin.E", "sspin.F"]
purposes = ["exchange"]
values_per_request = 1000
values_per_stream = 1000000
values_per_minute = 100000

[policy.portal]
"""

CONFIGURATION = """
[token]
module = "{module}"
label = "kagimori"
pin_file = "pin"

[ledger]
directory = "ledger"
trust_anchor = "{anchor}"

[state]
directory = "state"

[audit]
directory = "audit"
"""


def bare(folder: Path) -> Stage:
    """Tokens for everybody, and nothing else."""
    folder.mkdir(parents=True)
    stage = Stage(folder)
    for label in (APPLIANCE, *PEOPLE):
        stage.serials[label] = init_token(folder, label, PIN)
    secret = folder / "pin"
    secret.write_text(PIN + "\n")
    secret.chmod(0o600)
    return stage


def enrolled(stage: Stage) -> Stage:
    """All participants have keys on their tokens, and cards; the set-up file is written."""
    module = str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])
    for person, (name, role) in PEOPLE.items():
        who = ["--id", person, "--name", name, "--role", role, "--out", f"{person}.json"]
        stage.must("enroll", *who, "--token", person, "--module", module, "--pin-file", "pin")
    (stage.folder / "setup.toml").write_text(SETUP.format(serial=stage.serials[APPLIANCE]))
    return stage


def drafted(stage: Stage) -> Path:
    """The genesis plan, and its anchor in the configuration."""
    stage.must("plan", "genesis", "setup.toml", "--ledger", "ledger")
    plan = stage.newest_plan()
    stage.anchor = papers.load_plan(stage.folder / plan).digest
    configuration = CONFIGURATION.format(module=softhsm()["KAGIMORI_SOFTHSM_MODULE"], anchor=stage.anchor)
    (stage.folder / "kagimori.toml").write_text(configuration)
    return plan


def founded(stage: Stage) -> Stage:
    """The genesis carried out."""
    plan = drafted(stage)
    stage.approve(plan, *PEOPLE)
    done = stage.execute(plan)
    assert done.code == 0, done.err
    return stage


def prepared(stage: Stage) -> Stage:
    """A plan of the first keys and everybody's approval of it, kept in a folder ``spare`` to save tests time."""
    plan = stage.plan_keys(*FIRST_KEYS)
    stage.approve(plan, *PEOPLE)
    spare = stage.folder / "spare"
    spare.mkdir()
    for path in (stage.folder / plan.parent).glob("000002.*"):
        path.rename(spare / path.name)
    return stage
