"""What the coming, catching up and going of a clone does to the state.

A clone is a further token that holds the conversion keys and tag keys sealed, as the appliance's own does, so that it
converts: in more engines of the one appliance, or in an appliance of its own, with a log and a log key of its own.
It gets its keys from a backup token, is no backup itself, and signs nothing of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from appliance.ledger.actions import CloneAction, EnrollClone, RemoveClone, UpdateClone, action_name
from appliance.ledger.errors import IllegalAction
from appliance.ledger.keys import Effect, KeyRecord
from appliance.ledger.services import LOG, MAIN_LOG
from appliance.ledger.state import CloneToken
from appliance.ledger.states import GONE, KeyState
from appliance.ledger.workingstate import WorkingState
from appliance.numbers.domains import Generation


def carry_out(book: WorkingState, action: CloneAction) -> Effect:
    """Do one action on clones.

    Raises:
        IllegalAction: the state forbids it.
    """
    match action:
        case EnrollClone():
            return _enroll(book, action)
        case UpdateClone():
            return _update(book, action)
        case RemoveClone():
            return _remove(book, action)


def due(book: WorkingState, action: EnrollClone | UpdateClone) -> list[KeyRecord]:
    """The keys that the action brings to its clone, in order; asked before it is carried out."""
    missing = lacking(book.keys.keys, action.token_serial)
    return [key for key in missing if action.source in key.copies]


def lacking(keys: Mapping[Generation, KeyRecord], serial: str) -> list[KeyRecord]:
    """The keys that a clone should have and has not, in order; a log key is never copied."""
    live = (key for _, key in sorted(keys.items()) if key.state not in GONE and key.generation.domain != LOG)
    return [key for key in live if serial not in key.clones]


def held(keys: Mapping[Generation, KeyRecord], serial: str) -> list[KeyRecord]:
    """The keys that are on a clone, in order; among them those that the ledger has given up as lost."""
    return [key for _, key in sorted(keys.items()) if serial in key.clones]


def log_label(name: str) -> str:
    """What the key that signs a clone's log is labelled on the clone."""
    return f"log {name}"


def log_record(book: WorkingState, name: str, key_id: bytes, check_value: bytes, public_key: bytes) -> KeyRecord:
    """The key that signs a clone's log from now on, as the ledger has it: the log's next generation."""
    before = book.clone_logs.get(name, ())
    return KeyRecord(
        generation=Generation(LOG, len(before) + 1),
        parent=None,
        key_id=key_id,
        check_value=check_value,
        state=KeyState.ACTIVE,
        activated=len(before) + 1,
        activated_at=book.moment.at,
        origin=book.moment.sequence,
        since=book.moment.at,
        public_key=public_key,
    )


def log_keys(book: WorkingState) -> list[KeyRecord]:
    """Every key that has ever signed a clone's log."""
    return [key for kept in book.clone_logs.values() for key in kept]


def _enroll(book: WorkingState, action: EnrollClone) -> Effect:
    book.require_free(action, action.token_serial)
    book.require_backup(action, action.source)
    _require_own_label(book, action.token_label)
    if action.log_name is not None:
        _require_free_log(book, action.log_name)
    missing = lacking(book.keys.keys, action.token_serial)
    if not missing:
        raise IllegalAction("enroll-clone: there is no key yet that a clone could get")
    _require_copies(action, missing)
    clone = CloneToken(action.token_label, action.token_serial, book.moment.sequence, action.log_name)
    book.clones[clone.serial] = clone
    _give(book, missing, clone.serial)
    return Effect(action_name(action), clone.label, None, "clone")


def _require_own_label(book: WorkingState, label: str) -> None:
    """People and configurations name tokens by their labels, so a clone's must tell it apart."""
    taken = {book.token.label, *(one.label for one in book.backups.values())}
    taken |= {one.label for one in book.clones.values()}
    if label in taken:
        raise IllegalAction(f"enroll-clone: another token of this ledger is labelled {label}; give the clone its own")


def _require_free_log(book: WorkingState, name: str) -> None:
    if name == MAIN_LOG:
        raise IllegalAction(f"enroll-clone: {name} is the log of the appliance that the ledger was founded on")
    owners = [clone.label for clone in book.clones.values() if clone.log_name == name]
    if owners:
        raise IllegalAction(f"enroll-clone: clone {owners[0]} keeps the log {name} already; every log has its own name")


def _require_copies(action: EnrollClone, keys: Iterable[KeyRecord]) -> None:
    """A clone gets every key, or it could not do what the appliance does."""
    missing = [key for key in keys if action.source not in key.copies]
    if never := [key for key in missing if not key.copies]:
        raise IllegalAction(
            f"enroll-clone: {_names(never)}: on no backup token, so no clone can have it; a clone gets every key"
        )
    if missing:
        holders = ", ".join(sorted(frozenset().union(*(key.copies for key in missing))))
        raise IllegalAction(
            f"enroll-clone: backup token {action.source} has no copy of {_names(missing)}; a clone gets every key."
            f" Take one that has them, or enrol one with the copies of {holders}"
        )


def _update(book: WorkingState, action: UpdateClone) -> Effect:
    clone = _known(book, action, action.token_serial)
    book.require_backup(action, action.source)
    missing, given = lacking(book.keys.keys, clone.serial), due(book, action)
    if not missing:
        raise IllegalAction(f"update-clone: clone {clone.label} has every key already")
    if not given:
        raise IllegalAction(f"update-clone: backup token {action.source} has no copy of {_names(missing)}")
    before = len(held(book.keys.keys, clone.serial))
    _give(book, given, clone.serial)
    return Effect(action_name(action), clone.label, f"{before} keys", f"{before + len(given)} keys")


def _remove(book: WorkingState, action: RemoveClone) -> Effect:
    clone = _known(book, action, action.token_serial)
    del book.clones[clone.serial]
    for key in held(book.keys.keys, clone.serial):
        book.keys.keys[key.generation] = replace(key, clones=key.clones - {clone.serial})
    if clone.log_name is not None:
        _end_log(book, clone.log_name, KeyState.LOST if action.lost else KeyState.DESTROYED)
    book.changed()
    return Effect(action_name(action), clone.label, "clone", "lost" if action.lost else "emptied")


def _end_log(book: WorkingState, name: str, state: KeyState) -> None:
    """The clone's log key signs nothing any more; what it has signed stays signed."""
    kept = book.clone_logs.get(name, ())  # empty while the enrolment itself is only planned
    if kept:
        book.clone_logs[name] = (*kept[:-1], replace(kept[-1], state=state, since=book.moment.at))


def _give(book: WorkingState, keys: Iterable[KeyRecord], serial: str) -> None:
    for key in keys:
        book.keys.keys[key.generation] = replace(key, clones=key.clones | {serial})
    book.changed()


def _known(book: WorkingState, action: CloneAction, serial: str) -> CloneToken:
    if serial not in book.clones:
        known = ", ".join(sorted(book.clones)) or "none"
        raise IllegalAction(f"{action_name(action)}: token {serial} is no clone of this ledger; it has: {known}")
    return book.clones[serial]


def _names(keys: Iterable[KeyRecord]) -> str:
    return ", ".join(str(key.generation) for key in keys)
