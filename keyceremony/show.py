"""A plan in human words: every action field by field, the state before and after, and the digest to read aloud."""

from __future__ import annotations

from rich.console import Console

from appliance.ledger import certificate, fold
from appliance.ledger.actions import DomainSpec, Found, Generate, KeyAction, action_name
from appliance.ledger.cms import Signed
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import Plan, digest
from appliance.ledger.roster import Person, Roster
from appliance.ledger.text import render_instant
from appliance.numbers.formats import BASE36, DECIMAL
from keyceremony import screen
from keyceremony.cards import fingerprint_words
from keyceremony.papers import owner_of
from keyceremony.show_policy import rule_row
from keyceremony.words import groups, words_of

_MEANINGS = {
    "generate": "makes a new AES-256 key on the token; it converts nothing yet",
    "activate": "becomes the current key of its domain; earlier active ones stay active",
    "restrict": "may still be read and re-keyed from, never written to",
    "suspend": "emergency stop: converts nothing until resumed",
    "resume": "ends the emergency stop",
    "retire": "converts nothing any more; the key stays on the token",
    "destroy": "removes the key from every token",
}


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
        _key_actions(out, decoded, state)
    screen.read_aloud(out, "This plan", words_of(data), digest(data))


def _previous(decoded: Plan, state: LedgerState | None) -> str:
    if decoded.sequence == 1:
        return "nothing: this plan founds the ledger"
    if state is None:
        return f"{decoded.previous} (not compared: no verified ledger given)"
    if state.head == decoded.previous:
        return f"{decoded.previous}, the head of ledger entry {state.sequence}"
    return f"{decoded.previous}, which is NOT the ledger's head {state.head}"


def _key_actions(out: Console, decoded: Plan, state: LedgerState | None) -> None:
    actions = [action for action in decoded.actions if not isinstance(action, Found)]
    fits = state is not None and state.head == decoded.previous
    effects = fold.plan_effects(state, decoded) if fits else None
    rows = []
    for index, action in enumerate(actions):
        change = "?" if effects is None else f"{effects[index].before or 'no key'} → {effects[index].after}"
        parent = action.parent or "the root" if isinstance(action, Generate) else ""
        rows.append([str(index + 1), action_name(action), action.generation, parent, change, _title(action, state)])
    headings = ["", "action", "key", "under", "before → after", "domain"]
    out.print(screen.table("Actions, carried out in this order, all or none", headings, rows))
    screen.line(out)
    for name in dict.fromkeys(action_name(action) for action in actions):
        screen.line(out, f"   {name}: {_MEANINGS[name]}")
    screen.line(out)


def _title(action: Generate | KeyAction, state: LedgerState | None) -> str:
    domain = action.generation.rpartition(".")[0]
    return state.titles.get(domain, "") if state is not None else ""


def signatures(out: Console, signed: Signed, roster: Roster | None) -> None:
    """Print who signed; without a roster, only the names in the certificates."""
    rows = [[*_signer(one.certificate, roster), render_instant(one.signing_time)] for one in signed.signers]
    screen.line(out)
    out.print(screen.table("Signatures, each verified over exactly this plan", ["by", "role", "when"], rows))


def _signer(der: bytes, roster: Roster | None) -> list[str]:
    named = certificate.read(der).subject
    if roster is None:
        return [f"{named} (not compared with a roster)", "?"]
    person = owner_of(roster, der)
    return [person.id, person.role] if person else [f"{named}, NOT IN THE ROSTER", "none"]


def founding(out: Console, found: Found) -> None:
    """Print all that a genesis lays down."""
    screen.line(out, "This plan founds the ledger")
    screen.line(out, f"   appliance token  {found.token_label}, serial {found.token_serial}")
    screen.line(out, "   identity key     made on the token; signs every outcome from now on")
    screen.line(out)
    _roster(out, found.roster)
    headings = ["domain", "", "parent", "numbers", "check digit"]
    out.print(screen.table("Domains", headings, [_domain_row(domain) for domain in found.domains]))
    roots = frozenset(domain.name for domain in found.domains if domain.parent is None) | {"spin"}
    rows = [rule_row(role, rule, roots) for role, rule in sorted(found.policy.roles.items())]
    limits = "values a request / stream / minute"
    out.print(screen.table("Who may convert what (all else is refused)", ["role", "may", "for", limits], rows))


def _roster(out: Console, roster: Roster) -> None:
    rows = [_person_row(person) for person in roster.people]
    heading = "People who decide; compare the words with those each noted at enrolment"
    out.print(screen.table(heading, ["id", "name", "role", "certificate in words"], rows))
    thresholds = [[name, str(t.officers), str(t.oversight)] for name, t in roster.thresholds.items()]
    out.print(screen.table("Approvals needed", ["for", "officers", "oversight"], thresholds))


def _person_row(person: Person) -> list[str]:
    return [person.id, person.name, person.role, "\n".join(groups(fingerprint_words(person)))]


def _domain_row(domain: DomainSpec) -> list[str]:
    known = {BASE36: "0-9A-Z", DECIMAL: "0-9"}
    alphabet = known.get(domain.format.alphabet, domain.format.alphabet)
    return [
        domain.name,
        domain.title,
        domain.parent or "–",
        f"{domain.format.length} of {alphabet}",
        domain.format.check,
    ]
