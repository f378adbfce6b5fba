"""Who sends the hostile messages? A process of its own, niced, at a steady pace over many connections at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from tests.hostile.answers import faults
from tests.hostile.messages import Message, messages

AT_ONCE = 64
BURST = 16
ANSWER_SECONDS = 5.0
READ_MOST = 1 << 20


@dataclass
class Sent:
    """What became of the messages. ``outcomes``: by kind, and by what the last answer was."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    recorded: int = 0
    wrong: list[str] = field(default_factory=list)


def run(pipe: Connection, sockets: Path, seed: int, count: int, rate: float, only: str) -> None:
    """The process: sends one part after the other, when it is told to, and tells the sum at the end.

    Over ``pipe`` come how many to send next, or 0 for the end; back goes when they are under way.
    """
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(10)
    sent = Sent()
    asyncio.run(_send_parts(pipe, messages(seed, count, only), sockets, rate, sent))
    pipe.send(sent)


async def _send_parts(pipe: Connection, todo: Iterator[Message], sockets: Path, rate: float, sent: Sent) -> None:
    pipe.send(0)  # ready
    loop, free = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        while part := await asyncio.to_thread(pipe.recv):
            due = loop.time()
            for _ in range(part):
                due = max(due, loop.time() - BURST / rate) + 1 / rate  # what is late is not all caught up with at once
                await asyncio.sleep(max(0.0, due - loop.time()))
                await free.acquire()
                task = group.create_task(_one(next(todo), sockets, sent))
                task.add_done_callback(lambda _: free.release())
            pipe.send(part)


async def _one(message: Message, sockets: Path, sent: Sent) -> None:
    try:
        received = await _exchange(message, sockets / f"{message.role}.sock")
    except (BlockingIOError, ConnectionError) as error:
        sent.outcomes[message.kind, type(error).__name__] += 1
        return
    answers, wrong = faults(message, received)
    sent.wrong += wrong
    sent.recorded += sum(answer.recorded for answer in answers) if message.recorded else 0
    sent.outcomes[message.kind, answers[-1].code if answers else "closed" if message.reads else "not waited for"] += 1


async def _exchange(message: Message, path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path, limit=READ_MOST)
    try:
        with contextlib.suppress(ConnectionError):
            for piece in message.pieces:
                writer.write(piece)
                if message.pause:
                    await asyncio.sleep(message.pause)
            if message.reads:
                return await _read(reader, message)
        return b""
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader, message: Message) -> bytes:
    """What comes until the daemon closes, or has nothing more to say."""
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(ANSWER_SECONDS):
            while len(received) < READ_MOST and (data := await _some(reader, bool(received))):
                received += data
    return received


async def _some(reader: asyncio.StreamReader, has_some: bool) -> bytes:
    """A little is waited for after an answer: is there another one?"""
    if not has_some:
        return await reader.read(1 << 16)
    async with asyncio.timeout(0.05):
        return await reader.read(1 << 16)
