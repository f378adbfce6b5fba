"""The script of a ceremony: a plan on paper, before it is approved and carried out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.bilingual import Language
from appliance.ledger.plan import Plan
from appliance.ledger.state import LedgerState
from keyceremony.act.desk import Name
from keyceremony.act.needs import needs
from keyceremony.sheets import actions, people, steps
from keyceremony.sheets.blocks import Block, Code, Field
from keyceremony.sheets.page import Running, Sheet, render
from keyceremony.sheets.people import Body, Signatory
from keyceremony.sheets.steps import Commands, Phase
from keyceremony.sheets.wording import Wording
from keyceremony.table.papers import Paper
from keyceremony.words import groups


@dataclass(frozen=True)
class Script:
    """What the template ``script.html.j2`` prints. ``help``: commands for when something goes wrong."""

    plan: Plan
    facts: tuple[Field, ...]
    words: tuple[str, ...]
    digest: str
    bodies: tuple[Body, ...]
    actions: tuple[Block, ...]
    phases: tuple[Phase, ...]
    signatories: tuple[Signatory, ...]
    help: tuple[tuple[str, str], ...]


def html(paper: Paper, state: LedgerState | None, languages: Sequence[Language], commands: Commands) -> bytes:
    """The script of a plan that stands next after ``state`` (None: it is a genesis).

    Raises:
        LedgerError: (a subclass) an action is not possible in that state.
        PlanRefused: the ledger is empty, and the plan no genesis.
    """
    return render(*(_sheet(Wording(language), paper, state, commands) for language in languages))


def _sheet(t: Wording, paper: Paper, state: LedgerState | None, commands: Commands) -> Sheet:
    plan, bodies = paper.plan, people.bodies(t, paper.plan, state)
    content = Script(
        plan=plan,
        facts=_facts(t, paper, state),
        words=groups(paper.words),
        digest=paper.digest,
        bodies=bodies,
        actions=actions.blocks(t, plan, state),
        phases=steps.phases(t, paper, state, commands),
        signatories=people.signatories(t, (person for body in bodies for person in body.people)),
        help=_help(t, commands),
    )
    return Sheet(t, t("script.title"), plan.rehearsal, running(t, "script.title", paper), "script.html.j2", content)


def running(t: Wording, title: str, paper: Paper) -> Running:
    """Head and foot of every page of a sheet: what it is, the first and last words, the beginning of the digest."""
    words = paper.words
    return Running(
        f"{t('sheet.product')} · {t(title)} · {t('sheet.plan', number=paper.plan.sequence)}",
        f"{words[0]} {words[1]} … {words[-2]} {words[-1]}",
        f"SHA-256 {paper.digest[:16]}…",
    )


def _facts(t: Wording, paper: Paper, state: LedgerState | None) -> tuple[Field, ...]:
    plan = paper.plan
    appliance = Name(state.token_label, state.token_serial) if state else needs(plan, state).signer
    return (
        Field(t("script.created"), t.instant(plan.created)),
        Field(t("script.expires"), t.instant(plan.expires)),
        Field(t("script.appliance"), t.token(appliance.label, appliance.serial)),
        Field(t("script.follows"), Code(plan.previous) if state else t("script.nothing_before")),
        Field(t("script.anchor"), Code(state.anchor if state else paper.digest)),
    )


def _help(t: Wording, commands: Commands) -> tuple[tuple[str, str], ...]:
    """For the exception sheet: what to type when the script is left."""
    return (
        (t("script.help_note"), shlex.join(["keyceremony", "note", commands.plan, "<TEXT>"])),
        (t("script.help_status"), commands.keyceremony("status")),
        (t("script.help_resume"), commands.keyceremony("resume", module=True)),
        (t("script.help_abort"), commands.keyceremony("abort", "--reason", "<TEXT>", module=True)),
    )
