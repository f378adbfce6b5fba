"""The steps of a ceremony in their order: what to do, the exact command, what the screen must then show."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from appliance.ledger import chain
from appliance.ledger.actions import Generate
from appliance.ledger.state import LedgerState
from keyceremony.act.needs import Needs, needs
from keyceremony.sheets import people
from keyceremony.sheets.blocks import Code, Table
from keyceremony.sheets.wording import Wording
from keyceremony.table.approve import grave_subjects
from keyceremony.table.deciders import Decider, deciders
from keyceremony.table.papers import Paper
from keyceremony.words import groups


@dataclass(frozen=True)
class Commands:
    """Names as they are typed. ``where``: the options that say where the ledger is; ``module``: with the module's."""

    plan: str
    ledger: str
    where: tuple[str, ...] = ()
    module: tuple[str, ...] = ()

    def keyceremony(self, *words: str, module: bool = False) -> str:
        """A command of `keyceremony` on this ledger."""
        return shlex.join(["keyceremony", *words, *(self.module if module else self.where)])

    def openssl_verify(self, name: str) -> str:
        """How OpenSSL verifies a file of the ledger."""
        return openssl_verify(f"{self.ledger}/{name}")


def openssl_verify(path: str) -> str:
    """How OpenSSL verifies a signed file; whose certificates count is the roster's matter, hence -noverify."""
    return shlex.join(["openssl", "cms", "-verify", "-inform", "DER", "-noverify", "-in", path, "-out", "/dev/null"])


@dataclass(frozen=True)
class Step:
    """One step. ``ticks``: boxes besides the step's own; ``blanks``: labels of what is written in by hand."""

    text: str
    commands: tuple[str, ...] = ()
    screen: tuple[str, ...] = ()
    ticks: tuple[str, ...] = ()
    blanks: tuple[str, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class Phase:
    """Steps under a heading. ``first``: the number of the first one, counted through the whole script."""

    title: str
    first: int
    steps: tuple[Step, ...]
    note: str = ""


def phases(t: Wording, paper: Paper, state: LedgerState | None, commands: Commands) -> tuple[Phase, ...]:
    """All steps of carrying out a plan.

    Raises:
        PlanRefused: the ledger is empty, and the plan no genesis.
    """
    told = _Told(t, paper, state, commands)
    parts = {
        "prepare": tuple(told.prepare()),
        "read": tuple(told.read()),
        "approve": tuple(told.approve()),
        "execute": tuple(told.execute()),
        "verify": tuple(told.verify()),
        "close": tuple(told.close()),
    }
    made, first = [], 1
    for name, steps in parts.items():
        made.append(Phase(t(f"phase.{name}"), first, steps, t("step.approve_note") if name == "approve" else ""))
        first += len(steps)
    return tuple(made)


class _Told:
    """A plan's steps in one language. What a screen shows is as the tool prints it, in English."""

    def __init__(self, t: Wording, paper: Paper, state: LedgerState | None, commands: Commands) -> None:
        self.t, self.paper, self.state, self.commands = t, paper, state, commands
        self.sequence = paper.plan.sequence

    def prepare(self) -> Iterator[Step]:
        t = self.t
        yield Step(t("step.room"))
        yield Step(t("step.clock"), blanks=(t("step.clock_blank"),))
        yield Step(t("step.version"), (shlex.join(["keyceremony", "--version"]),), (_version(),))
        yield Step(t("step.tokens"), table=self._tokens(needs(self.paper.plan, self.state)))
        yield Step(t("step.own_tokens"))
        if self.state is not None:
            seen = f"{self.state.sequence}:{self.state.head}"
            verify = self.commands.keyceremony("verify", "--at-least", seen)
            yield Step(t("step.verify_before"), (verify,), (*_verified(self.state.sequence), f"   {seen}"))

    def _tokens(self, needed: Needs) -> Table:
        t = self.t
        rows = []
        for name in needed.names:
            pins = [t("step.user_pin")] if name in needed.users else []
            pins += [t("step.so_pin")] if name in needed.officers else []
            empty = t("step.must_be_empty") if name in needed.empty else ""
            rows.append(("☐", Code(name.label), Code(name.serial), "\n".join(pins), empty, ""))
        headings = (t("step.token"), t("field.token_serial"), t("step.pins"), "", t("step.seal"))
        return Table("", ("", *headings), tuple(rows))

    def read(self) -> Iterator[Step]:
        t, plan, path = self.t, self.paper.plan, self.commands.plan
        show = self.commands.keyceremony("show", path)
        yield Step(t("step.show"), (show,), (f"Plan {self.sequence}: {plan.title}", "…", f"   SHA-256  {self._digest}"))
        yield Step(
            t("step.digest"), (shlex.join(["openssl", "dgst", "-sha256", "-r", path]),), (f"{self._digest} *{path}",)
        )
        lines = enumerate(groups(self.paper.words), start=1)
        yield Step(t("step.read"), ticks=tuple(f"{number}.  {line}" for number, line in lines))

    @property
    def _digest(self) -> str:
        return self.paper.digest

    def approve(self) -> Iterator[Step]:
        for decider in deciders(self.paper.plan, self.state):
            yield self._approval(decider)
        status = self.commands.keyceremony("status")
        yield Step(self.t("step.status"), (status,), ("   approved by enough people",))

    def _approval(self, decider: Decider) -> Step:
        t, person = self.t, decider.person
        rosters = [t(f"body.{body}") for body in decider.bodies if body != "roster"]
        who = ", ".join([people.role(t, person.role), *rosters])
        subjects = " ".join(grave_subjects(self.paper.plan, self.state))
        text = t("step.approve_grave" if subjects else "step.approve", name=person.name, role=who, subject=subjects)
        words = ["approve", self.commands.plan, "--as", person.id, "--token", person.id]
        counted = f" for the {' and the '.join(decider.bodies)}" if rosters else ""
        shown = f"Approved as {person.id}{counted}, signature verified: …"
        return Step(text, (self.commands.keyceremony(*words, module=True),), (shown,))

    def execute(self) -> Iterator[Step]:
        words = ["execute", self.commands.plan, "--operator", "<NAME>"]
        yield Step(
            self.t("step.execute"),
            (self.commands.keyceremony(*words, module=True),),
            (f"Done: the ledger is now at entry {self.sequence}.", "   head     …"),
            blanks=(self.t("step.result_head"),),
        )

    def verify(self) -> Iterator[Step]:
        t = self.t
        verify = self.commands.keyceremony("verify")
        yield Step(t("step.verify_after"), (verify,), (*_verified(self.sequence), f"   {self.sequence}:…"))
        made = [action.generation for action in self.paper.plan.actions if isinstance(action, Generate)]
        if made:
            blanks = tuple(t("step.check_value", generation=generation) for generation in made)
            yield Step(t("step.new_keys"), blanks=blanks)
        names = chain.authorization_name(self.sequence), chain.outcome_name(self.sequence)
        checks = tuple(self.commands.openssl_verify(name) for name in names)
        yield Step(t("step.openssl"), checks, ("CMS Verification successful",) * 2)

    def close(self) -> Iterator[Step]:
        t, number = self.t, str(self.sequence)
        minutes = self.commands.keyceremony("minutes", number, "--out", f"minutes-{number}.html")
        yield Step(t("step.minutes"), (minutes,))
        yield Step(t("step.copies"))
        yield Step(t("step.lock_up"))


def _verified(entries: int) -> tuple[str, ...]:
    return (f"Verified: {entries} entries; every signature, quorum and step holds.",)


def _version() -> str:
    return f"keyceremony, version {metadata.version('kagimori')}"
