"""What people should know of an action on a key before they approve it: copies, successors, what has no way back."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.ledger.actions import Activate, Destroy, Generate, KeyAction, Restrict, Retire
from appliance.ledger.fold import LedgerState
from appliance.ledger.keys import KeyRecord
from appliance.ledger.services import LOG, SERVICE, TAG
from appliance.numbers.domains import Generation
from keyceremony.plans.holders import label_of
from keyceremony.showing import show_service


def details(action: Generate | KeyAction, state: LedgerState | None) -> Iterator[str]:
    """Lines about one action; ``state``: before the plan, None when it is not known."""
    name = Generation.parse(action.generation).domain
    if told := show_service.meaning(action):
        yield told
    if isinstance(action, Generate):
        if name != LOG:
            yield _copies(action, state)
        return
    record = state.keys.get(Generation.parse(action.generation)) if state else None
    if state is None or record is None:  # a key that this very plan makes has no past
        return
    match action:
        case Activate() if record.copies or record.clones:
            yield f"has copies on {', '.join(_holders(record, state))}"
        case Restrict():
            rekey = "" if name in SERVICE else "; what is still kept under the old key must be re-keyed"
            yield f"{_successor(record, state)}{rekey}"
        case Retire():
            lost = "" if name in SERVICE else ": what was not re-keyed stays unreadable"
            yield f"is {record.state} since {record.since}; no way back{lost}"
            yield from _counted(action)
        case Destroy():
            tokens = ", ".join([f"{state.token_label} (serial {state.token_serial})", *_holders(record, state)])
            if name not in SERVICE:
                yield "FOR EVER: no number that was not re-keyed can ever be converted again"
            yield f"is removed from {tokens}; on each, its absence is proven"
            yield f"retired since {record.since}; CKA_ID {record.key_id.hex()}, check value {record.check_value.hex()}"
        case _:
            pass


def _counted(action: Retire) -> Iterator[str]:
    """What the census that a retirement cites has found."""
    census = action.census
    if census is not None:
        left = f"{census.left:,} STILL UNDER IT" if census.left else "none still under it"
        yield f"by the census {census.digest[:16]}…: of {census.counted:,} numbers, {left}"


def _copies(action: Generate, state: LedgerState | None) -> str:
    if not action.backups:
        under = "every history" if Generation.parse(action.generation).domain == TAG else "every number"
        return f"NO COPY: it can never leave the token; should the token be lost, so is {under} under it"
    backups = state.backups if state else {}
    return f"copied to {', '.join(label_of(backups, serial) for serial in action.backups)}, then sealed"


def _holders(record: KeyRecord, state: LedgerState) -> list[str]:
    copies = [label_of(state.backups, serial) for serial in sorted(record.copies)]
    return [*copies, *(label_of(state.clones, serial) for serial in sorted(record.clones))]


def _successor(record: KeyRecord, state: LedgerState) -> str:
    current = state.current.get(record.generation.domain)
    if current is None or current == record.generation:
        return "its successor becomes current in this very plan"
    return f"its successor {current} is current since {state.keys[current].activated_at}"
