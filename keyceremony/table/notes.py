"""Deviations from the script, typed in while a ceremony goes on: a timed line each, kept for the outcome."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from appliance.durable import sync_folder
from appliance.ledger.errors import Malformed
from appliance.ledger.outcome import Note
from appliance.ledger.text import parse_instant, render_instant, require_line
from keyceremony import workspace
from keyceremony.errors import FileProblem, NoteRefused

LONGEST = 1000
_MOST = 256  # as many as an outcome takes
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


def path_for(plan: Path, sequence: int) -> Path:
    """Where the notes of a plan are: beside it."""
    return workspace.notes_path(plan, sequence)


def add(plan: Path, sequence: int, text: str, *, now: datetime) -> Note:
    """Write down one note more, durably.

    Raises:
        Malformed: the text is not one printable line.
        NoteRefused: there are as many as an outcome takes.
        FileProblem: the file cannot be written, or does not hold notes.
    """
    require_line("note", text, longest=LONGEST)
    if len(read(plan, sequence)) >= _MOST:
        raise NoteRefused(f"{path_for(plan, sequence)}: holds {_MOST} notes already", "go on on paper")
    note = Note(at=render_instant(now), text=text)
    _append(path_for(plan, sequence), msgspec.json.encode(note) + b"\n")
    return note


def read(plan: Path, sequence: int) -> tuple[Note, ...]:
    """The notes of a plan, in the order they were typed.

    Raises:
        FileProblem: a line is no note.
    """
    path = path_for(plan, sequence)
    if not path.exists():
        return ()
    return tuple(_parse(path, number, line) for number, line in enumerate(workspace.read(path).splitlines(), 1))


def _parse(path: Path, number: int, line: bytes) -> Note:
    try:
        note = msgspec.json.decode(line, type=Note)
        parse_instant("at", note.at)
        require_line("text", note.text, longest=LONGEST)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(path, number, str(error)) from None
    except Malformed as error:
        raise _damaged(path, number, error.reason) from None
    return note


def _damaged(path: Path, number: int, why: str) -> FileProblem:
    return FileProblem(
        f"{path}: line {number} is no note ({why})", "take the line out; what it said goes on the exception sheet"
    )


def _append(path: Path, line: bytes) -> None:
    try:
        descriptor = os.open(path, _APPEND, 0o644)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(descriptor)
        sync_folder(path.parent)
    except OSError as error:
        raise FileProblem(f"{path}: cannot be written ({error.strerror})", "check folder, permissions, disk") from None
