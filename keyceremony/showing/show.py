"""A plan in human words: every action field by field, the state before and after, and the digest to read aloud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from appliance.ledger import certificate, genesis, quorum
from appliance.ledger.actions import Found
from appliance.ledger.cms import Signed
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import Plan, digest
from appliance.ledger.policy import disclosing
from appliance.ledger.roster import Roster
from appliance.ledger.text import render_instant
from keyceremony import screen
from keyceremony.act.needs import needs
from keyceremony.people.cards import certificate_of
from keyceremony.showing import show_actions, show_policy, show_roster
from keyceremony.table import papers
from keyceremony.table.refusals import Refused
from keyceremony.words import words_of


def plan(out: Console, data: bytes, decoded: Plan, state: LedgerState | None) -> None:
    """Print a plan. ``state`` is the ledger's verified present state, None when it is not known.

    Raises:
        IllegalAction: an action is not possible in that state.
    """
    screen.line(out, f"Plan {decoded.sequence}: {decoded.title}")
    if decoded.rehearsal:
        screen.line(out, "   REHEARSAL: nothing of this ledger may be used with real numbers")
    screen.line(out, f"   created  {decoded.created}")
    screen.line(out, f"   expires  {decoded.expires}")
    screen.line(out, f"   follows  {_previous(decoded, state)}")
    screen.line(out)
    first = decoded.actions[0]
    if isinstance(first, Found):
        founding(out, first)
    else:
        show_actions.actions(out, decoded, state)
    _needed(out, decoded, state)
    screen.read_aloud(out, "This plan", words_of(data), digest(data))


def _previous(decoded: Plan, state: LedgerState | None) -> str:
    if decoded.sequence == 1:
        return "nothing: this plan founds the ledger"
    if state is None:
        return f"{decoded.previous} (not compared: no verified ledger given)"
    if state.head == decoded.previous:
        return f"{decoded.previous}, the head of ledger entry {state.sequence}"
    return f"{decoded.previous}, which is NOT the ledger's head {state.head}"


def signatures(out: Console, signed: Signed, rosters: Iterable[Roster]) -> None:
    """Print who signed, by the rosters that decide; without any, only the names in the certificates."""
    known = tuple(rosters)
    rows = [[*_signer(one.certificate, known), render_instant(one.signing_time)] for one in signed.signers]
    screen.line(out)
    out.print(screen.table("Signatures, each verified over exactly this plan", ["by", "role", "when"], rows))


def _signer(der: bytes, rosters: Sequence[Roster]) -> list[str]:
    named = certificate.read(der).subject
    if not rosters:
        return [f"{named} (not compared with a roster)", "?"]
    for roster in rosters:
        for person in roster.people:
            if certificate_of(person) == der:
                return [person.id, person.role]
    return [f"{named}, NOT IN THE ROSTER", "none"]


def founding(out: Console, found: Found) -> None:
    """Print all that a genesis lays down."""
    screen.line(out, "This plan founds the ledger")
    screen.line(out, f"   appliance token  {found.token_label}, serial {found.token_serial}")
    screen.line(out, "   identity key     made on the token; signs every outcome from now on")
    screen.line(out)
    show_roster.whole(out, found.roster)
    show_actions.domains(out, "Domains", found.domains)
    show_policy.whole(out, found.policy, disclosing(genesis.tree_of(found.domains)))


def _needed(out: Console, decoded: Plan, state: LedgerState | None) -> None:
    """Whose approval, and which tokens and PINs, it takes."""
    if decoded.sequence > 1 and (state is None or state.head != decoded.previous):
        return
    screen.line(out, "Approvals needed")
    for name, body in quorum.bodies(decoded, papers.roster_for(decoded, state)).items():
        needed = show_roster.in_words(quorum.threshold_for(decoded, body))
        screen.line(out, f"   {'' if name == 'roster' else f'{name}: '}{needed}")
    wanted = needs(decoded, state)
    screen.line(out, "Tokens needed when it is carried out, and their PINs")
    for token in wanted.names:
        empty = ", which must hold nothing yet" if token in wanted.empty else ""
        pins = [*(["PIN"] if token in wanted.users else []), *(["SO PIN"] if token in wanted.officers else [])]
        screen.line(out, f"   {token}{empty}: {' and '.join(pins)}")
    screen.line(out)


def refusals(out: Console, refused: Sequence[Refused]) -> None:
    """Print who refused, and why; nothing when nobody did."""
    if refused:
        rows = [[one.refusal.person, one.refusal.at, one.refusal.reason] for one in refused]
        screen.line(out)
        out.print(screen.table("REFUSED by", ["who", "when", "why"], rows))
