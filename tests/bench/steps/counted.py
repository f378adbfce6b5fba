"""The daemon, its event loop's steps counted over some requests: ``python -m tests.bench.steps.counted FILE serve …``.

For the bench only: no such switch exists. The counts are written to the file when there are enough.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from tests.bench.steps.counting import Steps

BEFORE = 100  # requests, until everything that is made once is made
COUNTED = 100


def count_requests(into: Path) -> None:
    """From the end of one request to the end of another one: whole turns of the loop, whatever they are for."""
    from appliance.daemon.exchange import Exchange

    steps, seen, answered = Steps(), 0, Exchange._answered

    def counting(self: Exchange) -> None:
        nonlocal seen
        seen += 1
        if seen == BEFORE:
            steps.begin()
        elif seen == BEFORE + COUNTED:
            steps.end()
            counts = [[file, function, count] for (file, function), count in steps.counts.items()]
            into.with_suffix(".new").write_bytes(msgspec.json.encode(counts))
            into.with_suffix(".new").rename(into)
        answered(self)

    Exchange._answered = counting  # type: ignore[method-assign]


def main() -> None:
    """Run it."""
    count_requests(Path(sys.argv.pop(1)))
    from appliance.cli import main as run

    run()


if __name__ == "__main__":
    main()
