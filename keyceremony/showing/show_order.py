"""A disclosure order in human words: what it allows, who signed and who is missing, and the digest to read aloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console

from appliance.ledger import certificate
from appliance.ledger.cms import Signature
from appliance.ledger.order import validity
from appliance.ledger.policy import discloses
from appliance.ledger.quorum import Tally
from appliance.ledger.state import LedgerState
from appliance.ledger.text import render_instant
from keyceremony import screen
from keyceremony.showing.show_roster import in_words
from keyceremony.table.orders import OrderPaper


def content(out: Console, paper: OrderPaper, state: LedgerState | None, now: datetime) -> None:
    """Print what an order allows. ``state``: the ledger's verified one, None when it is not at hand."""
    given = paper.order
    screen.line(out, f"Disclosure order: {given.case}")
    screen.line(out, f"   role     {given.role}, for {given.purpose}")
    screen.line(out, f"   convert  {given.source} → {given.target}")
    for text in _marks(paper, state):
        screen.line(out, f"            {text}")
    screen.line(out, f"   most     {given.most:,} numbers in all")
    screen.line(out, f"   valid    from {given.not_before} until {given.not_after}{_time(paper, now)}")
    screen.line(out, f"   issued   {given.issued}, with the id {given.id}")
    screen.line(out, f"   ledger   {_ledger(paper, state)}")


def _marks(paper: OrderPaper, state: LedgerState | None) -> Iterator[str]:
    target = paper.order.target
    if state is not None and discloses(state.tree, target):
        yield f"!! answers show {target} itself: from it, all other numbers of a person follow"


def _time(paper: OrderPaper, now: datetime) -> str:
    begins, ends = validity(paper.order)
    return "; NOT YET" if now < begins else "; NOT ANY MORE" if now > ends else ""


def _ledger(paper: OrderPaper, state: LedgerState | None) -> str:
    anchor = paper.order.anchor
    if state is None:
        return f"{anchor} (not compared: no verified ledger given)"
    if anchor != state.anchor:
        return f"{anchor}, which is NOT this ledger's {state.anchor}"
    return f"{anchor}, this one{' (REHEARSAL)' if state.rehearsal else ''}"


def standing(out: Console, tally: Tally) -> None:
    """Print who signed an order, and who is missing."""
    screen.line(out, f"Signatures needed: {in_words(tally.needed)}")
    by_name = sorted(tally.approved, key=lambda one: one.person.id)
    signed = [f"{one.person.id} ({one.person.role}, {render_instant(one.signing_time)})" for one in by_name]
    screen.line(out, f"   signed by  {', '.join(signed) or 'nobody yet'}")
    for role, count in tally.missing.items():
        if count:
            ids = ", ".join(person.id for person in tally.remaining[role])
            screen.line(out, f"   missing    {count} {role}: any {count} of {ids}")


def signers(out: Console, signatures: Sequence[Signature]) -> None:
    """Print who signed by the names in their certificates, where no roster is at hand to compare them with."""
    for one in signatures:
        named = certificate.read(one.certificate).subject
        screen.line(out, f"   signed by  {named} ({render_instant(one.signing_time)}; not compared with a roster)")


def digest(out: Console, paper: OrderPaper) -> None:
    """Print the words to read aloud, and the digest that names the order in the audit log."""
    screen.read_aloud(out, "This order", paper.words, paper.digest)
