"""Backup tokens and clones by the name people use: their label, or the serial number where labels are alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from appliance.ledger.state import BackupToken, CloneToken
from keyceremony.errors import DraftRefused

Tokens = Mapping[str, BackupToken] | Mapping[str, CloneToken]
_Known = TypeVar("_Known", BackupToken, CloneToken)


def holder(backups: Mapping[str, BackupToken], name: str) -> BackupToken:
    """The backup token of that label or serial number.

    Raises:
        DraftRefused: there is none, or there are several.
    """
    return _named(backups, name, "backup token", "keyceremony plan backup enroll")


def clone(clones: Mapping[str, CloneToken], name: str) -> CloneToken:
    """The clone of that label or serial number; raises as `holder`."""
    return _named(clones, name, "clone", "keyceremony plan enroll-clone")


def _named(tokens: Mapping[str, _Known], name: str, kind: str, enroll: str) -> _Known:
    if name in tokens:
        return tokens[name]
    found = [token for token in tokens.values() if token.label == name]
    if len(found) == 1:
        return found[0]
    if found:
        serials = ", ".join(sorted(token.serial for token in found))
        raise DraftRefused(f"{name}: {len(found)} {kind}s have this label", f"give the serial number: {serials}")
    known = ", ".join(f"{one.label} (serial {one.serial})" for _, one in sorted(tokens.items()))
    hint = f"{kind}s: {known}" if known else f"enroll one first: {enroll}"
    raise DraftRefused(f"{name}: no {kind} of this ledger", hint)


def label_of(tokens: Tokens, serial: str) -> str:
    """A backup token or a clone as people read it; a serial number that is none's stays as it is."""
    known = tokens.get(serial)
    return f"{known.label} (serial {serial})" if known else f"serial {serial}"
