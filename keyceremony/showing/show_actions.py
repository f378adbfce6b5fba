"""The actions of a plan in words: a table of all of them, then of each what changes from the present state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType

from appliance.ledger import fold
from appliance.ledger.actions import (
    Action,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    DomainSpec,
    Drill,
    EnrollBackup,
    EnrollClone,
    Found,
    Generate,
    RemoveBackup,
    RemoveClone,
    Restore,
    UpdateClone,
    action_name,
    subject_of,
)
from appliance.ledger.book import Book
from appliance.ledger.fold import Effect, LedgerState
from appliance.ledger.plan import Plan
from appliance.ledger.policy import disclosing
from appliance.ledger.services import SERVICE, TITLES
from appliance.numbers.domains import Generation
from appliance.numbers.formats import BASE36, DECIMAL
from keyceremony import screen
from keyceremony.plans.holders import label_of
from keyceremony.showing import show_clones, show_keys, show_policy, show_roster, show_tokens

MEANINGS = {
    "generate": "makes a new key on the token (AES-256; for the log, Ed25519); it does nothing until activated",
    "activate": "becomes the current key of its domain; earlier active ones stay active",
    "restrict": "may still be read and re-keyed from, never written to",
    "suspend": "emergency stop: converts nothing until resumed",
    "ratify": "the ordinary quorum stands behind an emergency stop; the key stays suspended",
    "resume": "ends the emergency stop",
    "retire": "converts nothing any more; the key stays on the token",
    "destroy": "removes the key from every token, for ever",
    "change-roster": "other people or thresholds decide from the next plan on",
    "change-policy": "another policy holds from then on",
    "add-domain": "one kind of number more; it needs a key and a place in the policy before anybody can use it",
    "enroll-backup": "a token more that holds copies of keys",
    "remove-backup": "a backup token leaves; its copies go, or are given up as lost",
    "restore": "a new token takes the appliance token's place, with the copies of a backup token",
    "drill": "rehearses recovery on a scratch token, which is emptied again",
    "enroll-clone": "a token more that converts: it gets every key that can be copied, sealed",
    "update-clone": "a clone gets the keys that it lacks",
    "remove-clone": "a clone leaves; its keys go, or are given up as lost",
}


def actions(out: Console, decoded: Plan, state: LedgerState | None) -> None:
    """Print all actions but a genesis. ``state`` is the ledger's present one, None when it is not known.

    Raises:
        LedgerError: an action is not possible in that state.
    """
    before = state if state is not None and state.head == decoded.previous else None
    effects = fold.plan_effects(before, decoded) if before else [None] * len(decoded.actions)
    rows = []
    for number, (action, effect) in enumerate(zip(decoded.actions, effects, strict=True), 1):
        what = [str(number), action_name(action), _subject(action, state), _under(action)]
        rows.append([*what, _change(action, effect), _title(action, state)])
    out.print(_table(["", "action", "what", "under", "before → after", "domain"], rows))
    screen.line(out)
    for name in dict.fromkeys(map(action_name, decoded.actions)):
        screen.line(out, f"   {name}: {MEANINGS[name]}")
    screen.line(out)
    for number, action in enumerate(decoded.actions, 1):
        _details(out, number, action, before)
    if before:
        _current_keys(out, decoded, before)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    """Columns in which nothing stands are left out."""
    kept = [index for index in range(len(headings)) if any(row[index] for row in rows)]
    cells = [[row[index] for index in kept] for row in rows]
    return screen.table("Actions, carried out in this order, all or none", [headings[index] for index in kept], cells)


def _change(action: Action, effect: Effect | None) -> str:
    if effect is None:
        return "?"
    if isinstance(action, ChangeRoster | ChangePolicy):
        return "see below"
    nothing = {"generate": "no key", "drill": "never rehearsed"}.get(effect.action, "not there")
    return f"{effect.before or nothing} → {effect.after}"


def _title(action: Action, state: LedgerState | None) -> str:
    domain = subject_of(action).rpartition(".")[0]
    return TITLES.get(domain) or (state.titles.get(domain, "") if state is not None else "")


def _subject(action: Action, state: LedgerState | None) -> str:
    if isinstance(action, RemoveBackup):
        return label_of(state.backups if state else {}, action.token_serial)
    if isinstance(action, UpdateClone | RemoveClone):
        return label_of(state.clones if state else {}, action.token_serial)
    return subject_of(action)


def _under(action: Action) -> str:
    match action:
        case Generate():
            root = "–" if Generation.parse(action.generation).domain in SERVICE else "the root"
            return action.parent or root
        case AddDomain():
            return action.domain.parent or "–"
        case _:
            return ""


def _details(out: Console, number: int, action: Action, state: LedgerState | None) -> None:
    """What the table has no room for; without the present state, what an action puts in place as a whole."""
    match action:
        case ChangeRoster():
            _roster(out, action, state)
        case ChangePolicy():
            _policy(out, action, state)
        case AddDomain():
            domains(out, "Domain added", [action.domain])
        case EnrollBackup() | RemoveBackup() | Restore() | Drill():
            _lines(out, number, action, show_tokens.details(action, state))
        case EnrollClone() | UpdateClone() | RemoveClone():
            _lines(out, number, action, show_clones.details(action, state))
        case Found():
            pass
        case _:
            _lines(out, number, action, show_keys.details(action, state))


def _lines(out: Console, number: int, action: Action, told: Iterator[str]) -> None:
    head = f"{number}. {action_name(action)} {subject_of(action)}:"
    for text in told:
        screen.line(out, f"   {head} {text}")
        head = "     "


def _roster(out: Console, action: ChangeRoster, state: LedgerState | None) -> None:
    if state is None:
        show_roster.whole(out, action.roster)
    else:
        show_roster.change(out, state.roster, action.roster)


def _policy(out: Console, action: ChangePolicy, state: LedgerState | None) -> None:
    if state is None:
        show_policy.whole(out, action.policy, frozenset({"resident", "spin"}))
    else:
        show_policy.change(out, state.policy, action.policy, disclosing(state.tree))


def domains(out: Console, heading: str, specs: Sequence[DomainSpec]) -> None:
    """Print domains with their place and format."""
    rows = [_domain_row(spec) for spec in specs]
    out.print(screen.table(heading, ["domain", "title", "parent", "numbers", "check digit"], rows))


def _domain_row(domain: DomainSpec) -> list[str]:
    known = {BASE36: "0-9A-Z", DECIMAL: "0-9"}
    alphabet = known.get(domain.format.alphabet, domain.format.alphabet)
    numbers = f"{domain.format.length} of {alphabet}"
    return [domain.name, domain.title, domain.parent or "–", numbers, domain.format.check]


def _current_keys(out: Console, decoded: Plan, state: LedgerState) -> None:
    """Which key new numbers are made with, where this plan changes that."""
    book = Book(state)
    for action in decoded.actions:
        book.carry_out(action)
    old, new = state.current, book.keys.current()
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            nothing = "NONE: no daemon starts" if name in SERVICE else "NONE: nothing is converted to it"
            became = new.get(name) or nothing
            screen.line(out, f"   current key of {name}: {old.get(name) or 'none'} → {became}")
