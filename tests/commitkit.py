"""What the tests of the group commit share: one at work on a log of its own, and what is in that log afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from auditkit import open_log

from appliance.audit import records
from appliance.audit.commit import GroupCommit
from appliance.audit.entries import Item

Work = Callable[[GroupCommit], Coroutine[Any, Any, None]]


def run(directory: Path, work: Work, told: Callable[[int, Sequence[Item]], None] = lambda first, items: None) -> None:
    async def main() -> None:
        log = open_log(directory)
        commit = GroupCommit(log, on_written=told)
        try:
            async with asyncio.timeout(30):
                await work(commit)
        finally:
            await commit.close(5)
            log.close()

    asyncio.run(main())


def on_disk(directory: Path) -> list[records.Record]:
    log = open_log(directory)
    try:
        return [records.decode(entry) for _, entry, _ in log.read(1)]
    finally:
        log.close()


def reason(text: str) -> records.Record:
    """Any record but a stop, which is special."""
    return records.LedgerRefused(reason=text)


def said(found: list[records.Record]) -> list[str]:
    return [getattr(record, "reason", type(record).__name__) for record in found]


async def regained(commit: GroupCommit) -> None:
    while not commit.available:
        await asyncio.sleep(0.02)
