"""The job's folder beside its output: what the job is, how far it is, and what is written so far.

``OUTPUT.job/`` (0700) holds ``job.json`` (written once), ``checkpoint.json`` (replaced whole after every segment, when
the segment is on the disk), ``order.cms`` if there is an order, and the unfinished files. One process at a time holds
it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from appliance.bulk.errors import JobBusy, JobExists, JobMissing, JobUnusable, NotWritten
from appliance.bulk.tables.errors import OutputExists
from appliance.bulk.tables.table import Position
from appliance.durable import sync_folder

SUFFIX = ".job"
_JOB, _CHECKPOINT, _ORDER = "job.json", "checkpoint.json", "order.cms"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LARGEST = 1 << 20

Count = Annotated[int, msgspec.Meta(ge=0)]
Kind = Literal["convert", "rekey", "census"]
What = Literal["keep", "reject"]
T = TypeVar("T", bound=msgspec.Struct)


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a job is. Paths are absolute.

    ``source`` and ``target`` are the generations it began with (or the root), so that no rotation in the middle can mix
    two; ``generations`` is for a census, the newest first. ``anchor``: that of the daemon's ledger.
    """

    type: Literal["kagimori/bulk-job/v1"] = "kagimori/bulk-job/v1"
    kind: Kind
    input: str
    fingerprint: dict[str, str | int]
    output: str
    column: str
    format: Literal["csv", "parquet"] | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    source: str
    target: str
    generations: tuple[str, ...] = ()
    purpose: str
    reference: str
    socket: str
    anchor: str | None = None
    rejects: str | None = None
    empty: What = "reject"
    segment: Annotated[int, msgspec.Meta(ge=1)]
    connections: Annotated[int, msgspec.Meta(ge=1)]
    patience: float
    began: str


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far a job is: everything up to these positions is on the disk, and nothing behind them counts.

    ``counts``: rows by outcome. ``seconds``: time worked on it, without the times between two runs. ``read``: the input
    is done, and all that is left is to give the files their names.
    """

    segments: Count = 0
    rows: Count = 0
    counts: dict[str, Count] = {}
    source: Position | None = None
    sink: Position | None = None
    rejects: Position | None = None
    seconds: float = 0.0
    read: bool = False


def exists(path: Path) -> OutputExists:
    """The error for a name that is taken."""
    return OutputExists(f"{path}: exists already; nothing is overwritten", "name another one, or move this one away")


class JobFolder:
    """The folder of one job. Make it with `create` or `existing`; work in it while it is `held`."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.with_name(output.name + SUFFIX)

    def create(self) -> None:
        """Make the folder, which must not be there.

        Raises:
            JobExists: a job for this output was begun before.
            JobUnusable: it cannot be made.
        """
        try:
            self.path.mkdir(mode=0o700)
            sync_folder(self.path.parent)
        except FileExistsError:
            raise self._another() from None
        except OSError as error:
            raise JobUnusable(f"{self.path}: {error.strerror}", "check the output's path and permissions") from None

    def refuse_another(self) -> None:
        """Raises JobExists if there is one, before anything is looked at."""
        if self.path.is_symlink() or self.path.exists():
            raise self._another()

    def _another(self) -> JobExists:
        return JobExists(
            f"{self.path}: a job for this output was begun before and is not finished",
            f"appliance bulk resume {self.output}, or appliance bulk discard {self.output}",
        )

    def begin(self, spec: Spec, order: bytes) -> None:
        """Write down what the job is; from here on it can be resumed."""
        if order:
            self._write(_ORDER, order)
        self._write(_JOB, msgspec.json.format(msgspec.json.encode(spec)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process; the system lets it go however the process ends.

        Raises:
            JobMissing: there is no such folder.
            JobBusy: another process holds it.
        """
        descriptor = self._opened()
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise JobBusy(
                    f"{self.path}: another process works on this job", "wait for it to end, or end it"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def busy(self) -> bool:
        """Whether a process holds it now."""
        try:
            with self.held():
                return False
        except JobBusy:
            return True

    def _opened(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise JobMissing(
                f"{self.path}: there is no unfinished job for {self.output}",
                "name the output as when the job was begun; a finished job has no folder any more",
            ) from None
        except OSError as error:
            raise JobUnusable(f"{self.path}: {error.strerror}", "check path and permissions") from None

    def spec(self) -> Spec:
        """What the job is.

        Raises:
            JobUnusable: it ended before it had begun, or its file is damaged.
        """
        spec = self._read(_JOB, Spec)
        if spec is None:
            raise JobUnusable(
                f"{self.path}: this job ended before it had begun", f"appliance bulk discard {self.output}"
            )
        return spec

    def order(self) -> bytes:
        """The disclosure order that came with the job; empty for none."""
        try:
            return (self.path / _ORDER).read_bytes()
        except FileNotFoundError:
            return b""

    def checkpoint(self) -> Checkpoint:
        """How far the job is.

        Raises:
            JobUnusable: the file is damaged.
        """
        return self._read(_CHECKPOINT, Checkpoint) or Checkpoint()

    def commit(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; durable when it returns.

        Raises:
            NotWritten: it could not be written; the one before holds.
        """
        self._write(_CHECKPOINT, msgspec.json.encode(checkpoint))

    def has(self, name: str) -> bool:
        """Whether a file was prepared."""
        return (self.path / name).is_file()

    def prepare(self, name: str, data: bytes) -> None:
        """Write a file that will be published; durable when it returns.

        Raises:
            NotWritten: it could not be written.
        """
        self._write(name, data)

    def prepared(self, name: str, kind: type[T]) -> T:
        """What a file that was prepared says.

        Raises:
            JobUnusable: it is not there, or damaged.
        """
        found = self._read(name, kind)
        if found is None:
            raise JobUnusable(f"{self.path / name}: is missing", f"appliance bulk discard {self.output}")
        return found

    def publish(self, name: str, final: Path) -> None:
        """Give a prepared file its name; nothing is done if it has it already.

        Raises:
            OutputExists: something else has the name; it is untouched.
            NotWritten: it could not be done.
        """
        try:
            os.link(self.path / name, final, follow_symlinks=False)
            sync_folder(final.parent)
        except FileExistsError:
            if not (self.path / name).samefile(final):
                raise exists(final) from None
        except OSError as error:
            raise NotWritten(f"{final}: {error.strerror}") from None

    def remove(self) -> None:
        """Remove the folder and everything in it.

        Raises:
            JobUnusable: something in it cannot be removed.
        """
        try:
            shutil.rmtree(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise JobUnusable(f"{error.filename or self.path}: {error.strerror}", "check permissions") from None

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            with (self.path / name).open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST), type=kind)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JobUnusable(f"{self.path / name}: {error.strerror}", "check permissions and disk") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise JobUnusable(
                f"{self.path / name}: damaged ({error})", f"appliance bulk discard {self.output}, and begin anew"
            ) from None

    def _write(self, name: str, data: bytes) -> None:
        path = self.path / name
        temporary = path.with_name(f".{name}.{secrets.token_hex(8)}.new")
        try:
            with os.fdopen(os.open(temporary, _NEW, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(self.path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise NotWritten(f"{path}: {error.strerror}") from None
