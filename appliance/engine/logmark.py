"""The newest checkpoint signed here: no smaller log, and no other one of that size, is ever signed after it.

The mark is one small file in the state directory, replaced as a whole and synced to the disk before the signature
goes out. So whatever happens to the log, and whoever runs the daemon, the log key never signs two histories. The
daemon reads the mark at its start: a log that is shorter, or another one, is not the log that was signed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from appliance.engine import marks
from appliance.errors import KagimoriError
from appliance.ledger import canonical
from appliance.ledger.plan import Digest
from appliance.tlog.checkpoint import Checkpoint

FILE_NAME = "log-head.json"
LOCK_NAME = "log-head.lock"
LARGEST_SIZE = 2**53 - 1  # what canonical JSON can carry; a thousand records a second would take 285,000 years
_HINT = "find out why before going on; the mark is only ever removed together with the whole appliance"


class LogmarkUnusable(KagimoriError):
    """The mark, or the state directory, cannot be read or written."""

    exit_code: ClassVar[int] = 3


class CheckpointBehind(KagimoriError):
    """A checkpoint of another log than was signed before: smaller, with another root, or under another name."""


class Logmark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The newest checkpoint signed: the log's name, its size in records, and its root hash (hex)."""

    type: Literal["kagimori/log-head/v1"]
    origin: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    size: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_SIZE)]
    root: Digest


def read(directory: Path) -> Logmark | None:
    """The mark in a state directory; None: nothing was signed yet.

    Raises:
        LogmarkUnusable: it is damaged or cannot be read, or the directory is not there.
    """
    path = directory / FILE_NAME
    try:
        return canonical.decode(path.read_bytes(), Logmark)
    except FileNotFoundError:
        if directory.is_dir():
            return None
        raise _no_directory(directory, "No such file or directory") from None
    except OSError as error:
        raise LogmarkUnusable(f"log mark {path}: {error.strerror}", _HINT) from None
    except KagimoriError as error:
        raise LogmarkUnusable(f"log mark {path}: damaged: {error.message}", _HINT) from None


def advance(directory: Path, checkpoint: Checkpoint) -> None:
    """Before a checkpoint is signed: refuse it if it goes back, else remember it durably.

    Raises:
        CheckpointBehind: smaller than the newest one signed, as large with another root, or another log's.
        LogmarkUnusable: the mark is damaged, or it cannot be written.
    """
    with _locked(directory):
        mark, newer = read(directory), _mark(checkpoint)
        if mark is not None:
            _require_not_behind(mark, newer)
        if newer != mark:
            _replace(directory / FILE_NAME, newer)


def _mark(checkpoint: Checkpoint) -> Logmark:
    if checkpoint.size > LARGEST_SIZE:
        raise CheckpointBehind(f"a log of {checkpoint.size} records; at most {LARGEST_SIZE} can be remembered")
    return Logmark(
        type="kagimori/log-head/v1", origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root.hex()
    )


def _require_not_behind(mark: Logmark, newer: Logmark) -> None:
    if newer.origin != mark.origin:
        raise CheckpointBehind(f"a checkpoint of {newer.origin}; signed here before was {mark.origin}")
    if newer.size < mark.size:
        raise CheckpointBehind(f"a checkpoint of {newer.size} records; one of {mark.size} was signed before")
    if newer.size == mark.size and newer.root != mark.root:
        raise CheckpointBehind(f"a checkpoint of {newer.size} records with another root than was signed before")


def _replace(path: Path, mark: Logmark) -> None:
    try:
        marks.replace(path, canonical.encode(mark))
    except OSError as error:
        raise LogmarkUnusable(f"log mark {path}: cannot be written: {error.strerror}", "is the disk full?") from None


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Several engines may sign; the mark moves by one of them at a time."""
    try:
        descriptor = marks.lock(directory / LOCK_NAME)
    except OSError as error:
        raise _no_directory(directory, error.strerror) from None
    try:
        yield
    finally:
        os.close(descriptor)


def _no_directory(directory: Path, why: str | None) -> LogmarkUnusable:
    return LogmarkUnusable(
        f"state directory {directory}: {why}",
        "[state] directory must exist and be writable; it is not made here, so that a lost one is noticed",
    )
