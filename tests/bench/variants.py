"""The daemon with parts of its audit left out, to see what they cost. For the bench only: no such switch exists.

``python -m tests.bench.variants NAME serve --config FILE``; in the engine's place it starts itself.

whole      as it is
untagged   no subject tags: the engine encrypts none, none are sent, hashed, stored or indexed
off        nothing is recorded either: every answer leaves at once
"""

from __future__ import annotations

import asyncio
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

    def skipping(self: GroupCommit, record: records.Record, *rest: Any) -> asyncio.Future[int]:
        if not isinstance(record, records.Conversion):
            return append(self, record, *rest)
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        done.set_result(1)
        return done

    GroupCommit.append = skipping  # type: ignore[method-assign]


def own_engine() -> None:
    """Engines are started as this variant, too."""
    from appliance.engine import link

    spawn = asyncio.create_subprocess_exec

    async def spawned(*command: Any, **options: Any) -> Any:
        at = command.index("appliance.engine")
        return await spawn(*command[:at], "tests.bench.variants", "engine", *command[at + 1 :], **options)

    link.asyncio.create_subprocess_exec = spawned  # type: ignore[attr-defined]


def engine() -> int:
    """An engine that makes no tags."""
    from appliance.engine.hardening import harden

    harden()
    without_tags()
    import argparse
    from pathlib import Path

    from appliance.engine.process import main

    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--fd", type=int)
    given = parser.parse_args(sys.argv[2:])
    return main(given.config, given.fd)


def main() -> None:
    """Run the daemon of that variant."""
    name = sys.argv[1]
    if name == "engine":
        sys.exit(engine())
    if name != "whole":
        without_tags()
        own_engine()
    if name == "off":
        without_records()
    from appliance.cli import main as run

    del sys.argv[1]
    run()


if __name__ == "__main__":
    main()
