"""Whether what an outcome tells of a clone is what its action asks for: the keys on it, and its own log key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from appliance.ledger import attributes as rules
from appliance.ledger import clones
from appliance.ledger.actions import EnrollClone, RemoveClone, UpdateClone
from appliance.ledger.book import Book
from appliance.ledger.outcome import CloneEnrolled, CloneLogKey, CloneRemoved, CloneUpdated
from appliance.ledger.resultrules import check_copies, log_key, same

RequireNew = Callable[[str, bytes, bytes], None]
"""Refuses a key that the ledger has had before: whose it is, its identifier, its check value."""


def enrolled(book: Book, require_new: RequireNew, action: EnrollClone, result: CloneEnrolled) -> None:
    """A clone more.

    Raises:
        IllegalAction: the action is not allowed.
        OutcomeMismatch, AttributesRefused, KeyReused, CertificateInvalid: as `Results.take`.
    """
    same(action, (result.token.label, result.token.serial) == (action.token_label, action.token_serial))
    told = (result.log_key is None) == (action.log_name is None)
    same(action, told, "a clone with a log has a log key, others none")
    wanted = clones.due(book, action)
    book.carry_out(action)
    check_copies(action, result.keys, wanted, rules.RESTORED)
    if result.log_key is not None and action.log_name is not None:
        _keep_log(book, require_new, action, action.log_name, result.log_key)


def _keep_log(book: Book, require_new: RequireNew, action: EnrollClone, name: str, told: CloneLogKey) -> None:
    """The clone's own log key, which no other token has, and no other log."""
    whose = f"log key of {action.token_label}"
    key_id, check_value = bytes.fromhex(told.key_id), bytes.fromhex(told.check_value)
    require_new(whose, key_id, check_value)
    record = clones.log_record(book, name, key_id, check_value, log_key(action, whose, told))
    book.clone_logs[name] = (*book.clone_logs.get(name, ()), record)
    clone = book.clones[action.token_serial]
    book.clones[clone.serial] = replace(clone, log_key_id=key_id, log_public_key=record.public_key)


def updated(book: Book, action: UpdateClone, result: CloneUpdated) -> None:
    """A clone has what it lacked; raises as `enrolled`."""
    wanted = clones.due(book, action)
    book.carry_out(action)
    same(action, result.serial == action.token_serial)
    check_copies(action, result.keys, wanted, rules.RESTORED)


def removed(book: Book, action: RemoveClone, result: CloneRemoved) -> None:
    """A clone less; raises as `enrolled`."""
    clone = book.clones.get(action.token_serial)
    held = [key.key_id for key in clones.held(book.keys.keys, action.token_serial)]
    book.carry_out(action)
    same(action, result.serial == action.token_serial)
    if clone is not None and clone.log_key_id:
        held.append(clone.log_key_id)
    gone = [] if action.lost else sorted(key_id.hex() for key_id in held)
    same(action, sorted(result.removed) == gone, "other keys are gone than it held")
