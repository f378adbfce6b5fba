"""What people should know of an action on a token before they approve it: which one, what is copied, what is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from appliance.ledger.actions import Drill, EnrollBackup, RemoveBackup, Restore, TokenAction
from appliance.ledger.book import Book
from appliance.ledger.fold import LedgerState
from appliance.ledger.keys import KeyRecord
from appliance.ledger.services import LOG
from appliance.ledger.state import BackupToken
from appliance.numbers.domains import Generation
from keyceremony.plans.holders import label_of
from keyceremony.showing import show_service


def details(action: TokenAction, state: LedgerState | None) -> Iterator[str]:
    """Lines about one action; ``state``: before the plan, None when it is not known."""
    backups = state.backups if state else {}
    live = Book(state).live() if state else []
    match action:
        case EnrollBackup():
            yield f"token {action.token_label}, serial {action.token_serial}, empty until now"
            yield "gets an RSA transport key and an identity key, both made on it; the appliance's SO trusts the former"
            yield _copied(action.copy_from, live, backups)
        case RemoveBackup():
            yield label_of(backups, action.token_serial)
            yield "LOST: nothing can be proven of its copies" if action.lost else "emptied; absence is proven"
            yield from _left_without(action, live, state.policy.keys.backups if state else 0)
        case Restore():
            old = f"{state.token_label}, serial {state.token_serial}" if state else "the present token"
            yield f"{old} → {action.token_label}, serial {action.token_serial}, empty until now"
            yield _copied(action.source, live, backups)
            for serial in action.lost_backups:
                yield f"LOST: {label_of(backups, serial)} leaves the ledger; nothing can be proven of its copies"
            yield from _given_up(action, live)
            yield "the new token makes an identity key of its own; the backup token's signs this outcome"
        case Drill():
            yield f"scratch token {action.token_label}, serial {action.token_serial}, emptied again at the end"
            yield _copied(action.source, live, backups)


def _copied(source: str | None, live: Iterable[KeyRecord], backups: Mapping[str, BackupToken]) -> str:
    if source is None:
        return "gets no copies now; keys made later are copied to it"
    names = [str(key.generation) for key in live if source in key.copies]
    return f"gets the copies of {label_of(backups, source)}: {', '.join(names) or 'none'}"


def _given_up(action: Restore, live: Sequence[KeyRecord]) -> Iterator[str]:
    """Each key that is lost for ever, with its state now, and the keys that are of no use without it."""
    known = {str(key.generation): key for key in live}
    for name in action.lost:
        state = f" ({known[name].state} now)" if name in known else ""
        if Generation.parse(name).domain == LOG:
            yield show_service.given_up(name, state)
            continue
        yield f"GIVEN UP: {name}{state}: on no backup token; no number under it can ever be converted again"
        if useless := [key for key in _standing_on(name, live) if key not in action.lost]:
            yield f"UNUSABLE without {name}: {', '.join(useless)}"


def _standing_on(name: str, live: Sequence[KeyRecord]) -> Iterator[str]:
    for key in live:
        if str(key.parent) == name:
            yield str(key.generation)
            yield from _standing_on(str(key.generation), live)


def _left_without(action: RemoveBackup, live: Iterable[KeyRecord], demanded: int) -> Iterator[str]:
    """Keys that have fewer copies than the policy demands, or none at all, once the token is gone."""
    serial = action.token_serial
    left = {str(key.generation): len(key.copies - {serial}) for key in live if serial in key.copies}
    if bare := [name for name, count in left.items() if count == 0]:
        yield f"WITHOUT ANY COPY then: {', '.join(bare)}"
    if few := [name for name, count in left.items() if 0 < count < demanded]:
        yield f"with fewer than the {demanded} copies that the policy demands then: {', '.join(few)}"
