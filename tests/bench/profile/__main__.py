"""``python -m tests.bench.profile``: where the time goes, in percent, for a single request, a batch and a bulk stream.

Each load has a daemon of its own, which samples itself, as do its engines; one client.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from appliance.hubkit.client import Client
from tests.bench import load
from tests.bench.docs import replace_part
from tests.bench.effort import EFFORTS
from tests.bench.processes import daemon
from tests.bench.profile.shares import Stretch, busy, read, shares
from tests.bench.setting import PURPOSE, Setting
from tests.bench.stream import Files
from tests.bench.subject import subject
from tests.world import World, build_world

BATCH = 1_000
LINES_A_SECOND = 2_000_000
Shares = dict[str, float]
Load = Callable[[Setting, float], Stretch]


def single(setting: Setting, seconds: float) -> Stretch:
    """One client, one number a request."""
    begin, used = time.monotonic(), time.process_time()
    done = load.run(setting.world.hub_socket, setting.asked(), 1, seconds)
    return Stretch("single request", begin, time.monotonic(), time.process_time() - used, True, len(done.latencies))


def batch(setting: Setting, seconds: float) -> Stretch:
    """One client, JSON requests of 1,000 numbers."""
    numbers, expected = (text.decode().split()[:BATCH] for text in (setting.ours.b_text, setting.ours.e_text))
    with Client(setting.world.hub_socket) as client:
        begin, used, count = time.monotonic(), time.process_time(), 0
        while time.monotonic() - begin < seconds:
            done = client.convert("sspin.B", "sspin.E", numbers, purpose=PURPOSE, reference="profile")
            if [getattr(one, "number", "") for one in done.results] != expected:
                raise SystemExit("profile: a wrong number")
            count += 1
    return Stretch("batch: JSON, 1,000 numbers", begin, time.monotonic(), time.process_time() - used, True, count)


def bulk(setting: Setting, seconds: float) -> Stretch:
    """One stream of text."""
    files = Files(setting.world, setting.ours, int(seconds * LINES_A_SECOND))
    before = _children_used()
    begin = time.monotonic()
    files.stream(setting.world)
    end = time.monotonic()
    files.remove()
    return Stretch("bulk stream", begin, end, _children_used() - before, False, files.lines)


LOADS: tuple[Load, ...] = (single, batch, bulk)


def profile(seconds: float) -> list[tuple[Stretch, Shares, Shares]]:
    """For each load: its stretch, its parts' shares, and how busy everyone was."""
    seen = []
    with tempfile.TemporaryDirectory(prefix="kagimori-profile-") as folder:
        world = build_world(Path(folder) / "w")
        os.environ["SOFTHSM2_CONF"] = world.env["SOFTHSM2_CONF"]
        with subject(world) as ours:
            setting = Setting(world, ours, EFFORTS["usual"], lambda: None)
            for work in LOADS:
                samples = Path(folder) / work.__name__
                samples.mkdir()
                stretch = _loaded(world, setting, work, seconds, samples)
                found = read(samples)
                seen.append((stretch, shares(found, stretch), busy(found, stretch)))
    return seen


def _loaded(world: World, setting: Setting, work: Load, seconds: float, samples: Path) -> Stretch:
    program = ("-m", "tests.bench.profile.profiled", str(samples))
    with daemon(world.config, world.hub_socket, world.environment, world.folder / "daemon.log", program):
        work(setting, seconds / 4)  # what is slow once is not what takes the time
        return work(setting, seconds)


def _children_used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def markdown(seen: list[tuple[Stretch, Shares, Shares]]) -> str:
    """A table for each load."""
    parts = []
    for stretch, share, work in seen:
        of_what = "of the time that passed" if stretch.in_turn else "of all processor time"
        rows = "".join(f"| {part} | {100 * value:.0f} % |\n" for part, value in share.items())
        loaded = ", ".join(f"{who} {100 * value:.0f} %" for who, value in work.items())
        parts.append(
            f"| {stretch.name} | {of_what} |\n| --- | --: |\n{rows}\nBusy, of the time that passed: {loaded}.\n"
        )
    return "\n".join(parts)


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each load")
    parser.add_argument("--write-docs", action="store_true", help="into docs/performance.md, too")
    options = parser.parse_args()
    seen = profile(options.seconds)
    for stretch, share, work in seen:
        sheet = Table("part", "share", title=f"{stretch.name} ({stretch.count:,} in {stretch.seconds:.1f} s)")
        for part, value in share.items():
            sheet.add_row(part, f"{value:.1%}")
        Console().print(sheet, {who: f"{value:.0%}" for who, value in work.items()})
    if options.write_docs:
        replace_part("profile", "\n" + markdown(seen) + "\n")


if __name__ == "__main__":
    main()
