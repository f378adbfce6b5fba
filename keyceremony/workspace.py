"""The pending folder beside a ledger: plans and approvals on their way, one name for each, never overwritten.

``DIR/pending/000002.plan.json``, ``000002.officer-1.approval.cms``, ``000002.officer-2.refusal.cms``. What is done or
withdrawn moves to a folder of its own below; nothing here is state, only papers (state comes from the ledger).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.durable import sync_folder
from keyceremony.errors import CeremonyBusy, FileProblem, OutputExists

PENDING = "pending"
CARRIED_OUT = "carried-out"
WITHDRAWN = "withdrawn"
FAILED = "failed"
_LARGEST = 4 * 1024 * 1024


def pending_folder(ledger: Path) -> Path:
    """Where a ledger's papers wait."""
    return ledger / PENDING


def plan_path(ledger: Path, sequence: int) -> Path:
    """Where the plan with this sequence number is kept until carried out."""
    return pending_folder(ledger) / f"{sequence:06}.plan.json"


def approval_path(plan: Path, sequence: int, person: str, *, joins: bool = False) -> Path:
    """Where a person's approval goes: beside the plan. ``joins``: as one who is in the plan's new roster only."""
    return plan.parent / f"{sequence:06}.{person}{'.new' if joins else ''}.approval.cms"


def approval_paths(plan: Path, sequence: int) -> list[Path]:
    """The approvals lying beside a plan, by name."""
    return sorted(plan.parent.glob(f"{sequence:06}.*.approval.cms"))


def refusal_path(plan: Path, sequence: int, person: str) -> Path:
    """Where a person's refusal goes: beside the plan."""
    return plan.parent / f"{sequence:06}.{person}.refusal.cms"


def refusal_paths(plan: Path, sequence: int) -> list[Path]:
    """The refusals lying beside a plan, by name."""
    return sorted(plan.parent.glob(f"{sequence:06}.*.refusal.cms"))


def notes_path(plan: Path, sequence: int) -> Path:
    """Where the notes of a ceremony are written: beside its plan."""
    return plan.parent / f"{sequence:06}.notes.jsonl"


def pending_plans(ledger: Path) -> list[Path]:
    """All plans waiting, in order of sequence."""
    return sorted(pending_folder(ledger).glob("[0-9]*.plan.json"))


def is_pending(plan: Path, ledger: Path) -> bool:
    """Whether the plan lies in the ledger's pending folder."""
    return plan.absolute().parent.resolve() == pending_folder(ledger).resolve()


def read(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        FileProblem: it cannot be read, or is larger than any paper of a ceremony.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise FileProblem(f"{path}: larger than {_LARGEST} bytes; no paper of a ceremony is")
        return path.read_bytes()
    except OSError as error:
        raise FileProblem(f"{path}: cannot be read ({error.strerror})", "check the path") from None


def check_absent(path: Path, hint: str = "name another file, or move this one away") -> None:
    """Raises OutputExists when something is there already."""
    if path.is_symlink() or path.exists():
        raise OutputExists(f"{path}: exists already; nothing is overwritten", hint)


def create(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a new file durably.

    Raises:
        OutputExists: a file of that name is there.
        FileProblem: the folder is missing, full or not writable; no part of the file is left.
    """
    check_absent(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise FileProblem(f"{path}: cannot be written ({error.strerror})", "check folder and permissions") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise FileProblem(f"{path}: cannot be written ({error.strerror})", "make room on the disk") from None


def rename(path: Path, name: Path) -> None:
    """Give a file of the same folder its final name, durably.

    Raises:
        FileProblem: the folder is not writable.
    """
    try:
        path.rename(name)
        sync_folder(name.parent)
    except OSError as error:
        raise FileProblem(f"{name}: cannot be written ({error.strerror})", "make room on the disk") from None


def make_pending(ledger: Path) -> None:
    """Make the ledger's folder and its pending folder if they are not there."""
    try:
        pending_folder(ledger).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileProblem(f"{pending_folder(ledger)}: cannot be made ({error.strerror})") from None


def _papers(plan: Path, sequence: int) -> Iterator[Path]:
    """Everything that goes with a plan; the plan itself last."""
    yield from approval_paths(plan, sequence)
    yield from refusal_paths(plan, sequence)
    if (notes := notes_path(plan, sequence)).exists():
        yield notes
    yield plan


def put_away(plan: Path, sequence: int, folder: str) -> Path:
    """Move a plan, its approvals, refusals and notes to a folder of their own below; returns that folder."""
    below = plan.parent / folder
    free = next(n for n in range(1, 1_000_000) if not (below / f"{sequence:06}.{n}").exists())
    target = below / f"{sequence:06}.{free}"
    try:
        target.mkdir(parents=True)
        for path in _papers(plan, sequence):
            path.rename(target / path.name)
    except OSError as error:
        raise FileProblem(f"{target}: papers could not be put away ({error.strerror})", "move them by hand") from None
    return target


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Hold the ledger's execute lock; the system lets it go when the process ends, however it ends.

    Raises:
        CeremonyBusy: another process holds it.
    """
    make_pending(ledger)
    path = pending_folder(ledger) / "execute.lock"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise CeremonyBusy(f"{path}: another execute runs on this ledger", "wait for it to end") from None
    try:
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


def newest_folder(ledger: Path, sequence: int, folder: str) -> Path:
    """The folder that the papers of a plan were put into last, or the one they would be put into first."""
    below = pending_folder(ledger) / folder
    numbers = [int(path.suffix[1:]) for path in below.glob(f"{sequence:06}.*") if path.suffix[1:].isdigit()]
    return below / f"{sequence:06}.{max(numbers, default=1)}"


def failed_folder(ledger: Path, sequence: int) -> Path:
    """A new name for the folder of a run that came to no outcome."""
    below = pending_folder(ledger) / FAILED
    free = next(n for n in range(1, 1_000_000) if not (below / f"{sequence:06}.{n}").exists())
    return below / f"{sequence:06}.{free}"
