"""Backup tokens by the name people use: their label, or the serial number where labels are alike."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.ledger.state import BackupToken
from keyceremony.errors import DraftRefused


def holder(backups: Mapping[str, BackupToken], name: str) -> BackupToken:
    """The backup token of that label or serial number.

    Raises:
        DraftRefused: there is none, or there are several.
    """
    if name in backups:
        return backups[name]
    found = [backup for backup in backups.values() if backup.label == name]
    if len(found) == 1:
        return found[0]
    if found:
        serials = ", ".join(sorted(backup.serial for backup in found))
        raise DraftRefused(f"{name}: {len(found)} backup tokens have this label", f"give the serial number: {serials}")
    known = ", ".join(f"{one.label} (serial {one.serial})" for _, one in sorted(backups.items()))
    hint = f"backup tokens: {known}" if known else "enroll one first: keyceremony plan backup enroll"
    raise DraftRefused(f"{name}: no backup token of this ledger", hint)


def label_of(backups: Mapping[str, BackupToken], serial: str) -> str:
    """A backup token as people read it; a serial number that is none's stays as it is."""
    known = backups.get(serial)
    return f"{known.label} (serial {serial})" if known else f"serial {serial}"
