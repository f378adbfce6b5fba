"""Actions about domains and tokens from what an officer types: a sector more, backup tokens, clones, recovery."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from appliance.ledger.actions import (
    AddDomain,
    DomainSpec,
    Drill,
    EnrollBackup,
    EnrollClone,
    FormatSpec,
    RemoveBackup,
    RemoveClone,
    Restore,
    UpdateClone,
)
from appliance.ledger.book import Book
from appliance.ledger.keys import KeyRecord
from appliance.ledger.services import LOG
from appliance.ledger.state import LedgerState
from appliance.numbers.domains import DomainError, Generation
from appliance.numbers.formats import BASE36, DECIMAL
from keyceremony.errors import DraftRefused
from keyceremony.plans import holders
from keyceremony.plans.holders import holder

LOG_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)  # as [audit] name in a configuration
_ALPHABETS = {"decimal": DECIMAL, "base36": BASE36}


def sector(
    state: LedgerState,
    name: str,
    *,
    title: str,
    parent: str,
    alphabet: str | None = None,
    length: int | None = None,
    check: str | None = None,
) -> AddDomain:
    """A domain more; what is not said of its format is as its siblings have it.

    Args:
        state: the present one.
        name: of the new domain, ``sspin.G`` say.
        title: for people.
        parent: the domain above it.
        alphabet: ``decimal``, ``base36``, or the characters themselves.
        length: digits of a number.
        check: the rule of the check digit.

    Raises:
        DraftRefused: something must be said, because there is no sibling, or siblings differ.
    """
    siblings = [domain.format for domain in state.domains if domain.parent == parent]
    form = FormatSpec(
        alphabet=_shared("alphabet", parent, siblings).alphabet
        if alphabet is None
        else _ALPHABETS.get(alphabet, alphabet),
        length=_shared("length", parent, siblings).length if length is None else length,
        check=_shared("check", parent, siblings).check if check is None else check,
    )
    return AddDomain(domain=DomainSpec(name=name, title=title, parent=parent, format=form))


def _shared(field: str, parent: str, siblings: list[FormatSpec]) -> FormatSpec:
    """A sibling's format, when all of them agree in the field."""
    if siblings and len({getattr(one, field) for one in siblings}) == 1:
        return siblings[0]
    why = f"the domains under {parent} differ" if siblings else f"there is no domain under {parent} yet"
    raise DraftRefused(f"--{field}: {why}, so there is no default", f"say --{field}")


def enroll_backup(state: LedgerState, *, label: str, serial: str, copy_from: str | None) -> EnrollBackup:
    """A backup token more; raises DraftRefused when ``copy_from`` is none."""
    source = holder(state.backups, copy_from).serial if copy_from else None
    return EnrollBackup(token_label=label, token_serial=serial, copy_from=source)


def remove_backup(state: LedgerState, name: str, *, lost: bool) -> RemoveBackup:
    """A backup token less; raises DraftRefused when there is none of that name."""
    return RemoveBackup(token_serial=holder(state.backups, name).serial, lost=lost)


def restore(
    state: LedgerState,
    *,
    label: str,
    serial: str,
    source: str,
    give_up: Iterable[str] = (),
    lost_backups: Iterable[str] = (),
) -> Restore:
    """A new appliance token.

    ``give_up``: the keys that no backup token has, by name; log keys, of which there never is a copy, are named by
    themselves. ``lost_backups``: backup tokens that are lost as well, by label, so that their copies do not count.

    Raises:
        DraftRefused: there is no such backup token, no such name, or a key that no backup token has is not named.
    """
    held = holder(state.backups, source)
    without = tuple(sorted({holder(state.backups, name).serial for name in lost_backups}))
    there = Book(state).live()
    logs = {key.generation for key in there if key.generation.domain == LOG}
    lost = sorted({*(_generation(text) for text in give_up), *logs})
    live = [key for key in there if key.generation not in lost]
    _require_given_up([key for key in live if not key.copies - frozenset(without)])
    return Restore(
        token_label=label,
        token_serial=serial,
        source=held.serial,
        lost=tuple(map(str, lost)),
        lost_backups=without,
    )


def _require_given_up(missing: Sequence[KeyRecord]) -> None:
    names = [str(key.generation) for key in missing]
    if names:
        options = " ".join(f"--give-up {name}" for name in names)
        raise DraftRefused(
            f"restore: no backup token has a copy of {', '.join(names)}",
            "while the appliance's token works, do not restore; if it is lost, so are these keys: no number under them,"
            f" or under keys that stand on them, can ever be converted again. To give them up, add: {options}",
        )


def _generation(text: str) -> Generation:
    try:
        return Generation.parse(text)
    except DomainError as error:
        raise DraftRefused(f"--give-up {text}: {error}", "keyceremony status lists the keys") from None


def drill(state: LedgerState, *, label: str, serial: str, source: str) -> Drill:
    """A rehearsal of recovery; raises DraftRefused when there is no backup token ``source``."""
    return Drill(token_label=label, token_serial=serial, source=holder(state.backups, source).serial)


def enroll_clone(state: LedgerState, *, label: str, serial: str, source: str, log_name: str | None) -> EnrollClone:
    """A clone more; raises DraftRefused when there is no backup token ``source``, or a log cannot be called so."""
    if log_name is not None and LOG_NAME.fullmatch(log_name) is None:
        raise DraftRefused(
            f"--log-name {log_name}: not the name of a log", "small letters, digits and hyphens, 32 at most: osaka-2"
        )
    held = holder(state.backups, source).serial
    return EnrollClone(token_label=label, token_serial=serial, source=held, log_name=log_name)


def update_clone(state: LedgerState, name: str, *, source: str) -> UpdateClone:
    """A clone gets what it lacks; raises DraftRefused when there is no such clone, or no backup token ``source``."""
    clone = holders.clone(state.clones, name)
    return UpdateClone(token_serial=clone.serial, source=holder(state.backups, source).serial)


def remove_clone(state: LedgerState, name: str, *, lost: bool) -> RemoveClone:
    """A clone less; raises DraftRefused when there is none of that name."""
    return RemoveClone(token_serial=holders.clone(state.clones, name).serial, lost=lost)
