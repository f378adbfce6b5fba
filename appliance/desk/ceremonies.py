"""What waits for approval, by the word of ``keyceremony`` itself, asked as a process to change nothing.

``status --json`` says which plans there are and who is missing, ``show --plain`` what a plan would do; the words that
people compare aloud are taken from there, so the desk computes none of what an approver must trust.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.desk.errors import CeremonyToolFailed

PROGRAM = (sys.executable, "-P", "-m", "keyceremony.cli")
PATIENCE = 30.0  # seconds that it may take
LAST_WORDS = 5.0  # seconds that its pipes may stay open once it is killed
LARGEST = 4 * 1024 * 1024
MOST_PLANS = 32
_KEPT_AWAY = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY")
_WORDS = re.compile(r" {3}[1-4]\. {2}([a-z]+(?: [a-z]+){3})", re.ASCII)


class Approved(msgspec.Struct, frozen=True):
    """Somebody who has approved."""

    person: str
    role: str
    at: str


class Body(msgspec.Struct, frozen=True):
    """A roster that decides. ``missing``: how many more, by role; ``remaining``: who still may."""

    body: str
    approved: tuple[Approved, ...]
    missing: dict[str, int]
    remaining: dict[str, tuple[str, ...]]


class Refused(msgspec.Struct, frozen=True):
    """Somebody who has refused, and why."""

    person: str
    at: str
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """A plan on its way, as ``status --json`` tells it."""

    sequence: int
    title: str
    file: str
    digest: str
    expires: str
    complete: bool
    bodies: tuple[Body, ...]
    refusals: tuple[Refused, ...]
    notes: int
    does_not_count: tuple[str, ...]
    impossible: str | None

    def missing(self) -> dict[str, str]:
        """Those who still may approve, of the bodies and roles that are short, with their roles."""
        return {
            person: role
            for body in self.bodies
            for role, people in body.remaining.items()
            if body.missing.get(role)
            for person in people
        }


class _Ledger(msgspec.Struct, frozen=True):
    sequence: int
    head: str
    anchor: str


class _Status(msgspec.Struct, frozen=True):
    ledger: _Ledger | None
    plans: tuple[Plan, ...]
    unreadable: tuple[str, ...]
    cut_off: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What ``show`` says of a plan. ``words``: the sixteen, in four groups, as they are read aloud."""

    text: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan with what it would do; ``untold``: why that cannot be shown."""

    plan: Plan
    shown: Shown | None
    untold: str = ""


@dataclass(frozen=True, slots=True)
class Ceremonies:
    """The pending plans. ``sequence``, ``head``, ``anchor``: of the ledger beside which they lie; 0 and empty: none."""

    waiting: tuple[Waiting, ...]
    sequence: int
    head: str
    anchor: str
    unreadable: tuple[str, ...]
    cut_off: str | None


class CeremonyTool:
    """Asks ``keyceremony``; what a plan would do is asked once for each plan and state of the ledger.

    ``every``: seconds from one answer to the next question, for whoever asks again and again.
    """

    def __init__(self, config: Path, program: Sequence[str] = PROGRAM, every: float = 0.0) -> None:
        self.every = every
        self._config = config
        self._program = tuple(program)
        self._known: dict[tuple[str, str], Shown] = {}

    async def look(self) -> Ceremonies:
        """What waits now.

        Raises:
            CeremonyToolFailed: it cannot be started, refuses, takes too long, or says what cannot be.
        """
        said = _status(await self._ask("status", "--json"))
        head = said.ledger.head if said.ledger else ""
        plans = said.plans[:MOST_PLANS]
        waiting = [await self._wait(plan, head) for plan in plans]
        self._known = {key: one for key, one in self._known.items() if key in {(plan.digest, head) for plan in plans}}
        left = [f"{len(said.plans) - MOST_PLANS} more plans"] if len(said.plans) > MOST_PLANS else []
        ledger = said.ledger or _Ledger(0, "", "")
        unreadable = (*said.unreadable, *left)
        return Ceremonies(tuple(waiting), ledger.sequence, ledger.head, ledger.anchor, unreadable, said.cut_off)

    async def _wait(self, plan: Plan, head: str) -> Waiting:
        known = self._known.get((plan.digest, head))
        if known is not None:
            return Waiting(plan, known)
        try:
            text = (await self._ask("show", plan.file, "--plain")).decode("utf-8", "replace")
            self._known[plan.digest, head] = shown = Shown(text, read_aloud(text, plan.digest))
        except CeremonyToolFailed as error:
            return Waiting(plan, None, error.message)
        return Waiting(plan, shown)

    async def _ask(self, *words: str) -> bytes:
        """Standard output of one command, which is killed if it is still there when this ends."""
        command = (*self._program, *words, "--config", str(self._config))
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(os.environ),
            )
        except OSError as error:
            raise CeremonyToolFailed(f"keyceremony cannot be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(PATIENCE):
                return await _answer(process, words[0])
        except TimeoutError:
            raise CeremonyToolFailed(f"keyceremony {words[0]}: no answer within {PATIENCE:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """What is left in its pipes is read and thrown away: to asyncio a process has ended only when its pipes have.

    A process of its own that holds them open is not waited for.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(65_536):
                    pass
            await process.wait()


async def _answer(process: asyncio.subprocess.Process, word: str) -> bytes:
    reading = [asyncio.ensure_future(_capped(stream, word)) for stream in (process.stdout, process.stderr)]
    try:
        out, err = await asyncio.gather(*reading)
    finally:
        for one in reading:
            one.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    if await process.wait() != 0:
        line = err.decode("utf-8", "replace").partition("\n")[0].removeprefix("error: ")
        raise CeremonyToolFailed(f"keyceremony {word}: {line[:500] or 'it failed'}")
    return out


async def _capped(stream: asyncio.StreamReader | None, word: str) -> bytes:
    data = b""
    while stream is not None and (block := await stream.read(65_536)):
        data += block
        if len(data) > LARGEST:
            raise CeremonyToolFailed(f"keyceremony {word}: says more than {LARGEST} bytes")
    return data


def _environment(whole: Mapping[str, str]) -> dict[str, str]:
    """Without what the service manager gave to this process alone."""
    return {name: value for name, value in whole.items() if name not in _KEPT_AWAY} | {"PYTHONUTF8": "1"}


def _status(data: bytes) -> _Status:
    try:
        return msgspec.json.decode(data, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CeremonyToolFailed(f"keyceremony status: not what is expected: {error}") from None


def read_aloud(text: str, digest: str) -> tuple[str, ...]:
    """The four groups of words above the line of the digest, the last one of its kind: nothing below can look like it.

    Raises:
        CeremonyToolFailed: there are none, or they are another plan's.
    """
    lines = text.splitlines()
    wanted = f"   SHA-256  {digest}"
    if wanted not in lines:
        raise CeremonyToolFailed("keyceremony show: the plan has changed meanwhile")
    place = len(lines) - 1 - lines[::-1].index(wanted)
    found = [_WORDS.fullmatch(line) for line in lines[max(place - 4, 0) : place]]
    words = tuple(match[1] for match in found if match is not None)
    if len(words) != 4:
        raise CeremonyToolFailed("keyceremony show: the words to be read aloud are not where they should be")
    return words
