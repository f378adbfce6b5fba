"""``keyceremony rehearse``: a plan, or a whole ledger, carried out where nothing is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from appliance.ledger.errors import LedgerIncomplete, LedgerUnreadable
from appliance.ledger.keys import Effect
from keyceremony import screen, workspace
from keyceremony.commands import rehearsing
from keyceremony.commands.options import PATH, Where, with_where
from keyceremony.errors import UsageProblem
from keyceremony.rehearsal import conduct, folder, original, report
from keyceremony.rehearsal.original import Scene
from keyceremony.table import papers
from keyceremony.table.papers import Paper

_EXAMPLE = "Example: keyceremony rehearse ledger/pending/000007.plan.json --config kagimori.toml"


@dataclass(frozen=True)
class _Subject:
    """What is rehearsed. ``ledger``: the real one, None before there is any; ``paper`` and ``effects``: a plan's."""

    ledger: Path | None
    scenes: Sequence[Scene]
    paper: Paper | None = None
    effects: Sequence[Effect] = ()


@click.command("rehearse", epilog=_EXAMPLE)
@click.argument("plan", type=PATH, required=False)
@click.option("--replay", type=PATH, metavar="LEDGER", help="Instead of a plan: the folder of a whole ledger.")
@with_where("config", "ledger", "anchor", "module")
@click.option(
    "--folder", "place", type=PATH, metavar="DIR", help="The new folder for it; default: rehearsal-DATE-TIME, here."
)
@click.option("--softhsm2-util", "tool", type=PATH, metavar="PATH", help="SoftHSM's tool, if it is not on the PATH.")
@click.option("--keep/--discard", default=True, help="Keep the folder for people to look at (default), or remove it.")
def command(
    plan: Path | None, replay: Path | None, where: Where, place: Path | None, tool: Path | None, keep: bool
) -> None:
    """Rehearse PLAN: on throw-away SoftHSM tokens, with throw-away people, in a ledger marked as a rehearsal.

    Everything that is before it in the ledger is replayed first, then the plan itself: approved by throw-away people,
    carried out by the same code as keyceremony execute, and the states that come of it compared with those that ledger
    and plan lead to. --replay LEDGER does so with a whole ledger. No token, PIN or file of production is touched:
    --module must be SoftHSM's, and sees a token folder of the rehearsal's own. Exit code 0: the same states; 1: not.
    """
    subject = _subject(plan, replay, where)
    made = folder.create(place or _new_name(), [scene.data for scene in subject.scenes], subject.ledger)
    out = screen.console()
    screen.line(out, f"REHEARSAL 演習: nothing of it is real. Folder: {made.root}")
    with folder.kept(made, keep):
        with rehearsing.progress(subject.scenes) as told:
            rehearsed = conduct.conduct(made, where.module, tool, subject.scenes, told)
        translation = report.translation(subject.scenes, rehearsed)
        report.write(made, translation)
        rehearsing.show(out, translation, rehearsed.entries)
        conduct.require_same(subject.scenes, rehearsed)
        if subject.paper is not None:
            rehearsing.show_plan(out, subject.paper, subject.effects, rehearsed.entries[-1])
        screen.line(out, f"The same state after each of {len(rehearsed.entries)} entries. Nothing of it is real. 演習")


def _subject(plan: Path | None, replay: Path | None, where: Where) -> _Subject:
    if plan is not None and replay is None:
        return _of_plan(plan, where)
    if replay is None or plan is not None:
        raise UsageProblem("give either PLAN or --replay LEDGER", "keyceremony rehearse --help shows an example")
    if not replay.is_dir():
        raise LedgerUnreadable(f"{replay}: no such folder", "check --replay")
    scenes = _scenes(replay, where.anchor)
    if not scenes:
        raise LedgerIncomplete(f"{replay}: the ledger is empty; there is nothing to replay")
    return _Subject(replay, scenes)


def _of_plan(path: Path, where: Where) -> _Subject:
    paper = papers.load_plan(path)
    ledger = where.ledger_if_given or _ledger_around(path)
    state = papers.present_state(paper, ledger, where.anchor_if_given)
    papers.check_fits(paper, state, datetime.now(UTC), where.arguments(with_module=False))
    last, effects = original.of_plan(state, paper)
    before = _scenes(ledger, where.anchor) if ledger is not None and state is not None else []
    return _Subject(ledger, [*before, last], paper, effects)


def _scenes(ledger: Path, anchor: str) -> list[Scene]:
    held, state = papers.load_ledger(ledger, anchor)
    return original.of_ledger(held, anchor) if state is not None else []


def _ledger_around(plan: Path) -> Path | None:
    folder = plan.absolute().parent
    return folder.parent if folder.name == workspace.PENDING else None


def _new_name() -> Path:
    return Path(f"rehearsal-{datetime.now(UTC):%Y%m%d-%H%M%S}")
