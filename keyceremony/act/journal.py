"""The write-ahead journal of one execute: every step is on the disk before it is taken, and once more when it is done.

One file beside the plan, ``pending/000007.journal.jsonl``, a JSON object a line, each synced to the disk. It names what
is made, where and under which CKA_ID, never a secret. What a run that was cut off has left is found by it: a line
``make`` without its ``made`` may have left something half-made, a ``destroy`` has passed the point of no return.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from appliance.durable import sync_folder
from keyceremony import workspace
from keyceremony.errors import FileProblem, JournalDamaged

Kind = Literal[
    "begin",  # the whole run
    "start",  # an action
    "make",  # something that did not exist comes to be on a token; undone by removing it
    "made",
    "do",  # a step that may be repeated
    "did",
    "erase",  # something made in this run, and no longer needed, goes
    "erased",
    "destroy",  # something goes that was there before: from here on a run can only be completed
    "destroyed",
    "finish",  # an action
    "outcome",  # the signed outcome waits in the pending folder
    "undone",  # everything made was removed again
]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line. ``at``: UTC with milliseconds; ``step``: ``3.copy.SERIAL``, the action's number first."""

    n: Annotated[int, msgspec.Meta(ge=1)]
    at: str
    step: str
    kind: Kind
    data: dict[str, Any]


class Begin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the first line says. ``plan`` and ``authorization``: SHA-256, lower-case hex; ``path``: of the plan."""

    sequence: int
    plan: str
    path: str
    authorization: str
    started: str
    operator: str
    tool: str


class _Make(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a line ``make`` says."""

    token: str
    key_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    what: str


class Made(msgspec.Struct, frozen=True):
    """Something that this run made, or was about to make, on a token, and has not removed again."""

    step: str
    serial: str
    key_id: bytes
    what: str


class Journal:
    """An open journal: what it says so far, and appending to it."""

    def __init__(self, path: Path, lines: list[Line]) -> None:
        self.path = path
        self.lines = lines
        self.resumed = len(lines) > 1
        self.begin = _begin(path, lines)

    @classmethod
    def create(cls, path: Path, begin: Begin) -> Journal:
        """A new journal with its first line, durable.

        Raises:
            OutputExists: there is one already.
            FileProblem: it cannot be written.
        """
        line = _line(1, "run", "begin", msgspec.to_builtins(begin))
        workspace.create(path, _encode(line))
        sync_folder(path.parent)
        return cls(path, [line])

    @classmethod
    def open(cls, path: Path) -> Journal:
        """A journal that a run has left; a last line that was cut off in writing is dropped.

        Raises:
            JournalDamaged: a line in the middle cannot be read, or lines are missing.
            FileProblem: the file cannot be read.
        """
        data = workspace.read(path)
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(path, len(whole))
        return cls(path, list(_decode(path, whole)))

    def write(self, step: str, kind: Kind, **data: Any) -> None:
        """Append a line and wait until it is on the disk.

        Raises:
            FileProblem: it cannot be written; the step must not be taken.
        """
        line = _line(len(self.lines) + 1, step, kind, data)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            with os.fdopen(descriptor, "ab") as file:
                file.write(_encode(line))
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise FileProblem(f"{self.path}: cannot be written ({error.strerror})", "make room on the disk") from None
        self.lines.append(line)

    def find(self, step: str, kind: Kind) -> dict[str, Any] | None:
        """What a line of that step and kind says; None: there is none."""
        return next((line.data for line in self.lines if (line.step, line.kind) == (step, kind)), None)

    def has(self, kind: Kind) -> bool:
        """Whether any step has a line of that kind."""
        return any(line.kind == kind for line in self.lines)

    @property
    def irreversible(self) -> bool:
        """Whether something that was there before has been destroyed, or was about to be."""
        return self.has("destroy")

    def made(self) -> list[Made]:
        """What this run made and has not removed again, the newest first."""
        gone = {line.step for line in self.lines if line.kind == "erased"}
        return [made for made in reversed(self.all_made()) if made.step not in gone]

    def all_made(self) -> list[Made]:
        """Whatever this run made, or was about to make."""
        return [_made(line) for line in self.lines if line.kind == "make"]

    def duration(self, number: int) -> int:
        """Milliseconds from an action's first line to its last."""
        of_it = [line.at for line in self.lines if line.step.split(".", 1)[0] == str(number)]
        if not of_it:
            return 0
        first, last = (datetime.fromisoformat(at) for at in (of_it[0], of_it[-1]))
        return max(0, round((last - first).total_seconds() * 1000))

    def last_step(self) -> str:
        """The step and kind of the last line, for a record."""
        return f"{self.lines[-1].step} {self.lines[-1].kind}"

    def put_away(self, folder: Path) -> None:
        """Move it beside the papers of its run; it has done its service, and stays as evidence.

        Raises:
            FileProblem: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path.rename(folder / self.path.name)
            sync_folder(folder)
            sync_folder(self.path.parent)
        except OSError as error:
            raise FileProblem(f"{folder}: cannot be written ({error.strerror})", "make room on the disk") from None


def path_for(ledger: Path, sequence: int) -> Path:
    """Where the journal of an execute is."""
    return workspace.pending_folder(ledger) / f"{sequence:06}.journal.jsonl"


def left_behind(ledger: Path) -> Path | None:
    """The journal of an execute that came to no end, if there is one."""
    found = sorted(workspace.pending_folder(ledger).glob("[0-9]*.journal.jsonl"))
    return found[0] if found else None


def _line(n: int, step: str, kind: Kind, data: dict[str, Any]) -> Line:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Line(n=n, at=at, step=step, kind=kind, data=data)


def _encode(line: Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def _decode(path: Path, data: bytes) -> Iterator[Line]:
    for n, text in enumerate(data.splitlines(), start=1):
        try:
            line = msgspec.json.decode(text, type=Line, strict=True)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _damaged(path, f"line {n}: {error}") from None
        if line.n != n:
            raise _damaged(path, f"line {n} is numbered {line.n}")
        _check_time(path, line)
        if line.kind == "make":
            _check_make(path, line)
        yield line


def _check_time(path: Path, line: Line) -> None:
    try:
        aware = datetime.fromisoformat(line.at).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise _damaged(path, f"line {line.n}: at: not a time in UTC")


def _check_make(path: Path, line: Line) -> None:
    try:
        msgspec.convert(line.data, _Make)
    except msgspec.ValidationError as error:
        raise _damaged(path, f"line {line.n}: {error}") from None


def _made(line: Line) -> Made:
    said = msgspec.convert(line.data, _Make)
    return Made(line.step, said.token, bytes.fromhex(said.key_id), said.what)


def _begin(path: Path, lines: list[Line]) -> Begin:
    if not lines or lines[0].kind != "begin":
        raise _damaged(path, "it does not begin with its run")
    try:
        return msgspec.convert(lines[0].data, Begin)
    except msgspec.ValidationError as error:
        raise _damaged(path, f"line 1: {error}") from None


def _damaged(path: Path, why: str) -> JournalDamaged:
    return JournalDamaged(
        f"{path}: {why}",
        "the journal was changed; compare token and ledger: keyceremony inventory, docs/ceremony-trouble.md",
    )
