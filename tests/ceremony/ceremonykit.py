"""A stage for ceremonies: real tokens for the appliance and every participant, and the real command line.

Everything runs in processes of its own, so this process never touches PKCS#11. A stage can be copied in the
state it has reached; every test plays on a copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.ledger import chain, cms, files
from appliance.ledger.fold import LedgerState
from keyceremony.people import cards, enroll
from keyceremony.people.signers import PemSigner
from keyceremony.table import papers
from keyceremony.table.approve import grave_subjects
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
SERVICE_KEYS = ("generate log", "generate tag", "activate log.1", "activate tag.1")
FIRST_KEYS = (
    *("generate spin", "generate sspin.B", "generate sspin.E", "activate spin.1", "activate sspin.B.1"),
    *SERVICE_KEYS,
)
_ON_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)  # the first one a session opens becomes its controlling terminal
for descriptor in (0, 1, 2):
    os.dup2(terminal, descriptor)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass
class Done:
    """How a command ended; ``lines``: how many its journal got; ``error``: the name of what it raised."""

    code: int
    out: str
    err: str
    lines: int = 0
    error: str = ""

    @property
    def message(self) -> str:
        return next((line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")), "")

    @property
    def hint(self) -> str:
        return next((line.removeprefix("hint: ") for line in self.err.splitlines() if line.startswith("hint: ")), "")


class Server:
    """The process that runs the command line (see forkserver.py); started when first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, **request: object) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, "the process that runs the command line has ended"
        return json.loads(answer)  # type: ignore[no-any-return]

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(Path(__file__).with_name("forkserver.py"))]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self._process

    def stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(timeout=60)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


SERVER = Server()


@dataclass
class Stage:
    """A folder with tokens, PIN files, cards, a configuration and a ledger.

    ``signers``: of people whose keys are in this process, so that a test can sign anything at any time.
    """

    folder: Path
    serials: dict[str, str] = field(default_factory=dict)
    anchor: str = ""
    signers: dict[str, PemSigner] = field(default_factory=dict)

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
        return self.moved(folder)

    def moved(self, folder: Path) -> Stage:
        """The stage in a folder that is a copy of this one's."""
        configuration = folder / "softhsm2.conf"
        configuration.write_text(configuration.read_text().replace(str(self.folder), str(folder)))
        return Stage(folder, dict(self.serials), self.anchor, self.signers)

    def discard(self) -> None:
        """Remove it: hundreds of copies would fill a disk."""
        shutil.rmtree(self.folder)

    # --- commands ------------------------------------------------------------------------------

    def run(
        self,
        *arguments: str,
        fault: tuple[str, int] | None = None,
        kill: tuple[int, str] | None = None,
        moments: Path | None = None,
    ) -> Done:
        """The command line, in the stage's folder, without a terminal; with a fault in it, or killed, if asked to.

        ``moments``: below it the folder is copied at every place where the run could be killed (see forkserver.py).
        """
        kept = None if moments is None else str(moments)
        answer = SERVER.ask(args=arguments, env=self.env, cwd=str(self.folder), fault=fault, kill=kill, moments=kept)
        done = Done(answer["code"], answer["out"], answer["err"], answer["lines"], answer["error"])
        assert "Traceback" not in done.err, done.err
        assert PIN not in done.out + done.err
        return done

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
        """Each with their own token, or key in memory; what was approved in advance is only laid out."""
        for person in people:
            if person in self.signers:
                self.sign(plan, person)
                continue
            spare = self.folder / "spare" / f"000002.{person}.approval.cms"
            if (
                spare.is_file()
                and (self.folder / plan).read_bytes() == (spare.parent / "000002.plan.json").read_bytes()
            ):
                shutil.copy(spare, self.folder / plan.parent)
            else:
                self.must(*self.approve_command(plan, person))

    def sign(self, plan: Path, person: str, *, at: datetime | None = None, suffix: str = "") -> None:
        """An approval of whatever the plan's file holds, without any of the tool's checks."""
        data = (self.folder / plan).read_bytes()
        name = f"{plan.name[:6]}.{person}{suffix}.approval.cms"
        signed = cms.sign(data, self.signers[person], at or datetime.now(UTC))
        (self.folder / plan.parent / name).write_bytes(signed)

    def approve_command(self, plan: Path, person: str, token: str | None = None) -> list[str]:
        """Approve with the person's token; what a grave plan is about is confirmed as well."""
        given = ["--as", person, "--token", token or person, "--pin-file", "pin", "--confirm-words", self.words(plan)]
        agreed = papers.load_plan(self.folder / plan).plan
        subjects = grave_subjects(agreed, self.state() if agreed.sequence > 1 else None)
        grave = ["--confirm-subject", " ".join(subjects)] if subjects else []
        return ["approve", str(plan), *given, *grave, "--config", "kagimori.toml"]

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


def bare(folder: Path, labels: Sequence[str] = (APPLIANCE, *PEOPLE)) -> Stage:
    """Tokens for everybody, and nothing else."""
    folder.mkdir(parents=True)
    stage = Stage(folder)
    for label in labels:
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


def soft_enrolled(stage: Stage) -> Stage:
    """All participants have keys in this process; the set-up file is written."""
    for person, (name, role) in PEOPLE.items():
        card, stage.signers[person] = enroll.in_memory(person, name, role)  # type: ignore[arg-type]
        cards.write(stage.folder / f"{person}.json", card)
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
