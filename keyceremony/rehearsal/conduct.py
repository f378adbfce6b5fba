"""The rehearsal from outside: tokens made, a process of its own started, and what came of it verified and compared."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance import ownprocess
from appliance.ledger import chain, files
from appliance.ledger.book import Book
from appliance.ledger.chain import Entry
from keyceremony.rehearsal import compare, events, tokens
from keyceremony.rehearsal.cast import StandIn, stand_ins, token_of
from keyceremony.rehearsal.errors import NotThrowAway, RehearsalDiffers, RehearsalFailed
from keyceremony.rehearsal.events import CHECK, Began, Event, Failed, Finished, Step
from keyceremony.rehearsal.folder import Folder
from keyceremony.rehearsal.original import Scene

Told = Callable[[Began | Step], None]


@dataclass(frozen=True)
class Rehearsed:
    """What came of it. ``entries``: the rehearsal's own, verified against its own anchor."""

    anchor: str
    entries: tuple[Entry, ...]


def conduct(folder: Folder, module: Path, tool: Path | None, scenes: Sequence[Scene], told: Told) -> Rehearsed:
    """Carry out the scenes on throw-away tokens; ``tool``: SoftHSM's own, None: it is looked for.

    Raises:
        TokenNotMade, NotThrowAway: before the first entry; nothing was carried out.
        RehearsalFailed: an entry could not be carried out.
        LedgerError: (a subclass) the rehearsal's ledger does not hold.
    """
    whole = module.absolute()
    _run(folder, whole, told, CHECK)
    program = tokens.find_tool(tool, whole)
    tokens.make(folder, program, whole, stand_ins(scene.plan for scene in scenes))
    anchor = _run(folder, whole, told)
    return Rehearsed(anchor, chain.verify_entries(files.read(folder.ledger), anchor))


def require_same(scenes: Sequence[Scene], rehearsed: Rehearsed) -> None:
    """Every entry led to the same state as the original's.

    Raises:
        RehearsalDiffers: at the first one that did not; names every difference.
    """
    originals, doubles = names(scenes, rehearsed.entries)
    for scene, entry in zip(scenes, rehearsed.entries, strict=True):
        found = compare.differences(scene.after, compare.of_book(Book(entry.state)), originals, doubles)
        if found:
            raise RehearsalDiffers(
                f"after entry {entry.sequence} the rehearsal's state is another: {'; '.join(map(str, found))}",
                "do not carry the plan out before this is understood",
            )


def names(scenes: Sequence[Scene], entries: Sequence[Entry]) -> tuple[dict[str, str], dict[str, str]]:
    """By serial number, of which real token it tells: for the original's serials, and for the throw-away ones."""
    originals: dict[str, str] = {}
    doubles: dict[str, str] = {}
    for scene, entry in zip(scenes, entries, strict=True):
        real, double = token_of(scene.plan), token_of(entry.plan)
        if real is not None and double is not None:
            doubles[double.serial] = originals.setdefault(real.serial, str(real))
    return originals, doubles


def pairs(scenes: Sequence[Scene], entries: Sequence[Entry]) -> list[tuple[StandIn, str]]:
    """Each throw-away token, with what it stands for, and its own serial number."""
    doubles = {entry.sequence: token_of(entry.plan) for entry in entries}
    return [(one, str(getattr(doubles[one.entry], "serial", ""))) for one in stand_ins(scene.plan for scene in scenes)]


def _run(folder: Folder, module: Path, told: Told, *more: str) -> str:
    """The trust anchor of what the process carried out; empty when it only looked at the module."""
    command = ownprocess.command("keyceremony.rehearsal.child", str(folder.root), str(module), *more)
    environment = ownprocess.environment(SOFTHSM2_CONF=str(folder.configuration))
    with subprocess.Popen(  # noqa: S603 -- this program's own interpreter
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        last = _last(_events(process), told)
    if isinstance(last, Finished):
        return last.anchor
    if isinstance(last, Failed):
        raise _failure(last)
    raise RehearsalFailed(f"the process that carries it out ended early, with code {process.returncode}")


def _events(process: subprocess.Popen[str]) -> Iterator[Event]:
    if process.stdout is not None:
        for line in process.stdout:
            try:
                yield events.decode(line)
            except msgspec.MsgspecError:
                raise RehearsalFailed("the process that carries it out said something else than expected") from None


def _last(heard: Iterator[Event], told: Told) -> Event | None:
    last: Event | None = None
    for last in heard:
        if isinstance(last, Began | Step):
            told(last)
    return last


def _failure(failed: Failed) -> RehearsalFailed | NotThrowAway:
    if failed.name == NotThrowAway.__name__:
        return NotThrowAway(failed.message, failed.hint)
    where = f"entry {failed.entry}" if failed.entry else "before the first entry"
    return RehearsalFailed(f"{where}: {failed.name}: {failed.message}", failed.hint)
