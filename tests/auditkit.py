"""Making audit logs for tests: small segments, records of all kinds, checkpoints, and a plain model of the tree."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.audit import records
from appliance.audit.entries import Item
from appliance.audit.log import AuditLog
from appliance.tlog import note
from appliance.tlog.checkpoint import Checkpoint

SEGMENT = 256
ORIGIN = "kagimori/log/0123456789abcdef/main"


def open_log(directory: Path) -> AuditLog:
    """A log with segments of 256 records."""
    return AuditLog.open(directory, segment_records=SEGMENT)


def stop(reason: str = "test") -> Item:
    """A small record."""
    return Item(records.Stop(reason=reason))


def tag(number: int) -> bytes:
    """A subject tag."""
    return hashlib.sha256(b"%d" % number).digest()[:16]


def conversion(reference: str, tags: Sequence[bytes] = ()) -> Item:
    """A record of a conversion with those tags beside it."""
    record = records.Conversion(
        role="hub",
        uid=1000,
        gid=1000,
        pid=4321,
        source="sspin.A.1",
        target="sspin.B.1",
        purpose="exchange",
        reference=reference,
        count=len(tags),
        converted=len(tags),
        malformed=0,
        unknown=0,
    )
    return Item(record, b"".join(tags), "tag.1" if tags else None)


def ledger_loaded(sequence: int) -> Item:
    """A record of a ledger in force."""
    return Item(records.LedgerLoaded(sequence=sequence, head=f"{sequence:064x}"))


def ceremony(sequence: int) -> Item:
    """A record of an entry of the ledger."""
    return Item(
        records.Ceremony(
            sequence=sequence, head=f"{sequence:064x}", title="t", actions=("a",), finished="2026-01-01T00:00:00Z"
        )
    )


def mixed(count: int) -> list[Item]:
    """Records with none, one and several tags."""
    return [conversion(f"case-{n}", [tag(n * 10 + k) for k in range(n % 4)]) if n % 5 else stop() for n in range(count)]


def fill(directory: Path, count: int, *, signed: int | None = None, group: int = 100) -> None:
    """A log of ``count`` mixed records, with a checkpoint of size ``signed`` if that is given."""
    log = open_log(directory)
    items = mixed(count)
    for start in range(0, count, group):
        log.append(items[start : start + group])
    if signed is not None:
        log.store_checkpoint(checkpoint(log, signed))
    log.close()


def checkpoint(log: AuditLog, size: int | None = None) -> bytes:
    """A note with a checkpoint of the log; the signature is nobody's."""
    size = log.size if size is None else size
    return rendered(size, log.root(size))


def rendered(size: int, root: bytes) -> bytes:
    """The same for any size and root."""
    return note.render(note.Note(Checkpoint(ORIGIN, size, root).text, (note.Signature(ORIGIN, b"abcd", bytes(64)),)))


def contents(directory: Path) -> list[tuple[bytes, bytes]]:
    """All entries and tags, each held against its hash."""
    log = open_log(directory)
    try:
        return [(log.entry(number), log.tags(number)) for number in range(log.first, log.size + 1)]
    finally:
        log.close()


def files(directory: Path) -> dict[str, bytes]:
    """Every file of a log, by its path in the folder."""
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def copy(source: Path, target: Path) -> Path:
    """A copy of a log's folder in the place of whatever was there."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def naive_root(entries: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1 << (len(entries) - 1).bit_length() - 1
    left, right = naive_root(entries[:split]), naive_root(entries[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


class SmallDisk:
    """Stands for a disk of ``capacity`` bytes below ``directory``: writing stops short there, then fails with ENOSPC.

    For systems that let nobody mount one. It counts lengths of files, not blocks.
    """

    def __init__(self, directory: Path, capacity: int) -> None:
        self.directory = directory
        self.capacity = capacity
        self._write, self._pwrite, self._fallocate = os.write, os.pwrite, os.posix_fallocate

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> SmallDisk:
        """Put it in the place of the system's calls."""
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "pwrite", self.pwrite)
        monkeypatch.setattr(os, "posix_fallocate", self.fallocate)
        return self

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return max(0, self.capacity - sum(path.lstat().st_size for path in self.directory.rglob("*") if path.is_file()))

    def _fitting(self, descriptor: int, end: int) -> int:
        """Up to where a file may grow; it may be overwritten anyway."""
        size = os.fstat(descriptor).st_size
        if not str(Path(f"/proc/self/fd/{descriptor}").resolve()).startswith(str(self.directory.resolve())):
            return end
        if end > size and self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return min(end, max(size, size + self.room))

    def write(self, descriptor: int, data: bytes) -> int:
        """As ``os.write`` to a file that is appended to."""
        size = os.fstat(descriptor).st_size
        return self._write(descriptor, data[: self._fitting(descriptor, size + len(data)) - size])

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """As ``os.pwrite``."""
        return self._pwrite(descriptor, data[: self._fitting(descriptor, offset + len(data)) - offset], offset)

    def fallocate(self, descriptor: int, offset: int, length: int) -> None:
        """As ``os.posix_fallocate``: all or nothing."""
        if self._fitting(descriptor, offset + length) < offset + length:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._fallocate(descriptor, offset, length)
