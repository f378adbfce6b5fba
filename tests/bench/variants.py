"""The daemon with parts of its audit left out, to see what they cost. For the bench only: no such switch exists.

``python -m tests.bench.variants NAME serve --config FILE``; in the engine's place it starts itself.

whole      as it is
untagged   no subject tags: the engine encrypts none, none are sent, hashed, stored or indexed
off        nothing is recorded either: every answer leaves at once
"""

from __future__ import annotations

import asyncio
import runpy
import sys
from typing import Any

NAMES = ("whole", "untagged", "off")


def without_tags() -> None:
    """In engine and daemon alike: tags of no bytes."""
    from appliance.daemon import batching
    from appliance.engine import frames, tags

    frames.TAG_BYTES = batching.TAG_BYTES = 0
    tags.Tagger.of_values = lambda self, values: b""  # type: ignore[method-assign]
    tags.Tagger.of_columns = lambda self, a, b: b""  # type: ignore[method-assign]


def without_records() -> None:
    """Conversions are not recorded; everything else is, so that start and stop are as always."""
    from appliance.audit import records
    from appliance.audit.commit import GroupCommit

    append = GroupCommit.append

    def skipping(self: GroupCommit, record: records.Record, *rest: Any, told: Any = None) -> asyncio.Future[int]:
        if not isinstance(record, records.Conversion):
            return append(self, record, *rest, told=told)
        if told is not None:
            told(True)
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        done.set_result(1)
        return done

    GroupCommit.append = skipping  # type: ignore[method-assign]


def own_program(module: str, *program: str) -> None:
    """A module of ours is started as another program: ``python -m`` and these words in the place of its name."""
    from appliance import ownprocess

    command = ownprocess.command

    def instead(asked: str, *arguments: str) -> tuple[str, ...]:
        return command(*program, *arguments) if asked == module else command(asked, *arguments)

    ownprocess.command = instead


def engine() -> None:
    """An engine that makes no tags: the real one's own program, after that change."""
    from appliance.engine.hardening import harden

    harden()
    without_tags()
    sys.argv = ["appliance.engine", *sys.argv[2:]]
    runpy.run_module("appliance.engine", run_name="__main__")


def main() -> None:
    """Run the daemon of that variant."""
    name = sys.argv[1]
    if name == "engine":
        engine()
        return
    if name != "whole":
        without_tags()
        own_program("appliance.engine", "tests.bench.variants", "engine")
    if name == "off":
        without_records()
    from appliance.cli import main as run

    del sys.argv[1]
    run()


if __name__ == "__main__":
    main()
