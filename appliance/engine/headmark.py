"""Anti-rollback: what the newest ledger seen here was, so that no older or other one is accepted later.

The mark is one small file in the state directory, replaced as a whole and synced to the disk before
the engine serves. A ledger is accepted if it has the marked entry at the marked place; then the mark
moves to its end. A mark that cannot be read refuses as well: it may be the trace of an attack.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from appliance.engine import marks
from appliance.errors import KagimoriError
from appliance.ledger import canonical, rollback
from appliance.ledger.chain import Entry
from appliance.ledger.errors import LedgerError, LedgerForked
from appliance.ledger.plan import Digest

FILE_NAME = "ledger-head.json"
LOCK_NAME = "ledger-head.lock"


class HeadmarkUnusable(LedgerError):
    """The mark, or the state directory, cannot be read or written."""


class Headmark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The newest ledger seen: its anchor, the number of its last entry, and the head after it."""

    type: Literal["kagimori/ledger-head/v1"]
    anchor: Digest
    sequence: Annotated[int, msgspec.Meta(ge=1, le=999_999)]
    head: Digest


def check(directory: Path, entries: Sequence[Entry]) -> None:
    """Refuse a ledger older than, or other than, the one seen; remember the newer one durably.

    ``entries`` are all of a verified ledger.

    Raises:
        LedgerRolledBack: shorter than the marked one.
        LedgerForked: another anchor, or another entry at the marked place.
        HeadmarkUnusable: the mark is damaged, or the state directory cannot be used.
    """
    anchor = entries[-1].state.anchor
    with _locked(directory):
        mark = _read(directory / FILE_NAME)
        if mark is not None and mark.anchor != anchor:
            raise LedgerForked("the ledger has another genesis than the one seen before")
        seen = rollback.Seen(sequence=mark.sequence, head=mark.head) if mark else None
        newest = rollback.require_not_behind(seen, entries)
        if newest != seen:
            _replace(directory / FILE_NAME, _mark(anchor, newest))


def _mark(anchor: str, seen: rollback.Seen) -> Headmark:
    return Headmark(type="kagimori/ledger-head/v1", anchor=anchor, sequence=seen.sequence, head=seen.head)


def _read(path: Path) -> Headmark | None:
    hint = "find out why before going on; a mark is only ever removed together with the whole appliance"
    try:
        return canonical.decode(path.read_bytes(), Headmark)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HeadmarkUnusable(f"ledger mark {path}: {error.strerror}", hint) from None
    except KagimoriError as error:
        raise HeadmarkUnusable(f"ledger mark {path}: damaged: {error.message}", hint) from None


def _replace(path: Path, mark: Headmark) -> None:
    try:
        marks.replace(path, canonical.encode(mark))
    except OSError as error:
        raise HeadmarkUnusable(f"ledger mark {path}: cannot be written: {error.strerror}") from None


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Engines start side by side; the mark moves by one of them at a time."""
    try:
        descriptor = marks.lock(directory / LOCK_NAME)
    except OSError as error:
        raise HeadmarkUnusable(
            f"state directory {directory}: {error.strerror}",
            "[state] directory must exist and be writable; it is not made here, so that a lost one is noticed",
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
