"""``keyceremony order``: drafting, showing, signing and finishing a disclosure order."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from appliance.ledger.cms import Signature
from appliance.ledger.quorum import Tally
from keyceremony import screen, workspace
from keyceremony.commands.drafts import example, present_state
from keyceremony.commands.options import PATH, OwnKey, Where, with_own_key, with_where
from keyceremony.commands.ownsigner import own_signer
from keyceremony.errors import UsageProblem
from keyceremony.plans import orders as drafting
from keyceremony.showing import show_order
from keyceremony.table import approve, orders
from keyceremony.table.orders import OrderPaper


@click.group("order")
def command() -> None:
    """A disclosure order: who may convert what for which case, signed by the oversight body.

    Needed for numbers that lead to all others of a person, and for more numbers than a role may convert without one.
    """


@command.command(
    "draft",
    epilog=example(
        "keyceremony order draft case-4711 --source sspin.B --target resident --role inquiry --purpose court-order"
        " --most 3 --days 30 --case 'Tokyo District Court, Reiwa 8 (Gyo-U) 12'"
    ),
)
@click.argument("name", type=PATH)
@click.option("--source", required=True, metavar="DOMAIN", help="From which numbers.")
@click.option("--target", required=True, metavar="DOMAIN", help="To which numbers.")
@click.option("--role", required=True, metavar="ROLE", help="The role that may do it.")
@click.option("--purpose", required=True, metavar="PURPOSE", help="What for; one of the role's purposes.")
@click.option("--most", required=True, type=click.IntRange(1, 2**53 - 1), metavar="N", help="How many numbers in all.")
@click.option("--case", required=True, metavar="TEXT", help="The reference of the case, in a line.")
@click.option("--from", "begins", metavar="TIME", help="From when on; default: from now on.")
@click.option("--until", metavar="TIME", help="Until when: 2026-04-01T18:00:00+09:00, say.")
@click.option("--days", type=click.IntRange(1, 36_500), metavar="N", help="Or for how many days.")
@with_where("config", "ledger", "anchor")
def draft_command(
    name: Path, begins: str | None, until: str | None, days: int | None, where: Where, **wanted: Any
) -> None:
    """Draft an order into NAME.order.json, which people then sign.

    The order lifts no rule of the policy: the role must have the pair and the purpose. Each request that is made under
    it carries it, and counts.
    """
    if (until is None) == (days is None):
        raise UsageProblem("give either --until or --days", "an order ends")
    ends = timedelta(days=days) if days is not None else drafting.instant("--until", str(until))
    start = None if begins is None else drafting.instant("--from", begins)
    now, state = datetime.now(UTC), present_state(where)
    paper = drafting.draft(name, drafting.Wanted(begins=start, **wanted), ends, state, now=now)
    workspace.create(paper.path, paper.data)
    console = screen.console()
    show_order.content(console, paper, state, now)
    tally = orders.tally(paper, (), state)
    show_order.standing(console, tally)
    screen.line(console, f"   file     {paper.path}")
    show_order.digest(console, paper)
    _next(console, paper, tally, where)


@command.command("show", epilog=example("keyceremony order show case-4711.order.json"))
@click.argument("file", type=PATH)
@with_where("config", "ledger", "anchor")
def show_command(file: Path, where: Where) -> None:
    """Show an order (NAME.order.json) or a signed one (.cms) in human words, with the digest to read aloud.

    With the ledger (--ledger and --anchor, or --config), who signed it and who is missing as well.
    """
    paper, signatures = _opened(file)
    known = where.ledger_if_given is not None and where.anchor_if_given is not None
    state, console = present_state(where) if known else None, screen.console()
    show_order.content(console, paper, state, datetime.now(UTC))
    show_order.digest(console, paper)
    if state is None:
        show_order.signers(console, signatures)
        return
    tally = orders.tally(paper, signatures, state)
    show_order.standing(console, tally)
    if not _is_signed(file):
        _next(console, paper, tally, where)


def _is_signed(file: Path) -> bool:
    return file.suffix == ".cms"


def _opened(file: Path) -> tuple[OrderPaper, Sequence[Signature]]:
    if _is_signed(file):
        return orders.load_signed(file)
    paper = orders.load(file)
    return paper, [one.signature for one in orders.given(paper).values()]


@command.command(
    "sign", epilog=example("keyceremony order sign case-4711.order.json --as oversight-1 --token oversight-1")
)
@click.argument("file", type=PATH)
@click.option("--as", "person_id", required=True, metavar="ID", help="Who you are in the roster, oversight-1 say.")
@with_own_key
@click.option("--confirm-words", metavar="'W W W W'", help="For scripts: the last four words, instead of typing them.")
@click.option("--confirm-subject", metavar="TEXT", help="For scripts: what the order is about, instead of typing it.")
@with_where("config", "ledger", "anchor", "module")
@click.option("--out", type=PATH, metavar="FILE", help="Write the signature there instead of beside the order.")
def sign_command(
    file: Path,
    person_id: str,
    own: OwnKey,
    confirm_words: str | None,
    confirm_subject: str | None,
    where: Where,
    out: Path | None,
) -> None:
    """Sign the order FILE: read it, compare its words aloud, type the last four and what it is about.

    The signature is made with your own key (--token or --pem) over the order's exact bytes, verified at once, and
    written beside the order. It needs the order and a copy of the ledger, no network. What was disclosed cannot be
    taken back.
    """
    paper, state, now = orders.load(file), present_state(where), datetime.now(UTC)
    decider = orders.signer_named(paper, state, person_id, now=now)
    if out is not None:
        workspace.check_absent(out)
    console = screen.console()
    show_order.content(console, paper, state, now)
    show_order.digest(console, paper)
    approve.check_words(paper, confirm_words or _typed_words(person_id))
    approve.check_subject(paper.subjects, confirm_subject or _typed_subject(paper), paper.kind)
    with own_signer(where, own, [decider]) as (_, signer):
        written = orders.sign(paper, decider.person, signer, state, now=datetime.now(UTC), out=out)
    screen.line(console, f"Signed as {person_id}, signature verified: {written}")


def _typed_words(person_id: str) -> str:
    return str(click.prompt(f"{person_id}: to sign, type the LAST FOUR words (Ctrl-C: do not sign)"))


def _typed_subject(paper: OrderPaper) -> str:
    about = " ".join(paper.subjects)
    return str(click.prompt(f"What is disclosed cannot be taken back. Type from which numbers to which ({about})"))


@command.command(
    "finish", epilog=example("keyceremony order finish case-4711.order.json /media/stick/oversight-1.signature.cms")
)
@click.argument("file", type=PATH)
@click.argument("signatures", type=PATH, nargs=-1, metavar="[SIGNATURE]...")
@with_where("config", "ledger", "anchor")
def finish_command(file: Path, signatures: Sequence[Path], where: Where) -> None:
    """Put the order FILE and its signatures together into NAME.order.cms, which requests carry.

    Taken are the signatures beside FILE and those named, in any order and under any name. Nothing is written until
    enough people have signed.
    """
    paper, state = orders.load(file), present_state(where)
    arguments = where.arguments(with_module=False)
    path, tally = orders.finish(paper, state, signatures, now=datetime.now(UTC), arguments=arguments)
    console = screen.console()
    screen.line(console, f"Put together and verified: {path}")
    show_order.standing(console, tally)
    screen.line(console, f"   SHA-256  {paper.digest} names it in the audit log")
    screen.line(console, f"Each request of {paper.order.role} that is made under it carries this file.")


def _next(console: Console, paper: OrderPaper, tally: Tally, where: Where) -> None:
    following = orders.sign_command(paper, tally, where.arguments(with_module=False))
    finish = ["keyceremony", "order", "finish", str(paper.path), *where.arguments(with_module=False)]
    screen.line(console, f"Next: {shlex.join(following or finish)}")
