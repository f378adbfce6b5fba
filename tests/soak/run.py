"""One soak from its world to its verdict: load, faults one after another, then everything held against the log."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemonkit import stored_entries, wait_for
from tests.shimkit import shimmed
from tests.soak import checks, setting
from tests.soak.bulk import Bulk
from tests.soak.clients import Asker
from tests.soak.disk import DiskDaemon
from tests.soak.faults import FAULTS, FaultFailed, Field, in_some_order
from tests.soak.notebook import Notebook
from tests.soak.watch import JUDGED_SECONDS, MOST_MEBIBYTES, Watch, by_tenths, growth, wait_until
from tests.world import World

BACK_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
CALM = (1.0, 3.0)
WARM_NUMBERS = 1_500_000  # without a pause at first, so that the index has been written, and all buffers were in use
WARM_SECONDS = 300.0


@dataclass(frozen=True)
class Terms:
    """What to do, for so many seconds, and one whole round at least.

    ``faults``: names of `FAULTS`, done in each round; ``back``: seconds until everybody must be served again; ``calm``:
    from and to how many seconds there are between faults.
    """

    seconds: float
    clients: int
    seed: int
    faults: Sequence[str] = tuple(FAULTS)
    back: float = BACK_SECONDS
    calm: tuple[float, float] = CALM


@dataclass(frozen=True)
class Met:
    """A fault that was done: when (seconds from the start), how long it lasted, how soon all were served again."""

    name: str
    at: float
    lasted: float
    back: float


@dataclass
class Result:
    """What became of it. ``failures``: empty, or the soak has failed."""

    terms: Terms
    notebook: Notebook
    met: list[Met] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    growths: dict[str, float] = field(default_factory=dict)
    kilobytes: dict[str, list[int]] = field(default_factory=dict)
    records: int = 0
    disk: str = ""


def run(folder: Path, terms: Terms, say: Callable[[str], None]) -> Result:
    """The whole soak, in a folder of its own."""
    say("making a world with its ceremonies, and learning everybody's numbers")
    world = setting.build(folder)
    notebook = Notebook(setting.learn(world, terms.seed))
    result = Result(terms, notebook)
    plain = world.config.read_text("utf-8")
    shim = shimmed(world)
    _forget_log(world)
    with DiskDaemon(world) as daemon:
        result.disk = "a tmpfs without room" if daemon.mounted else "writes refused by the kernel"
        _soak(Field(world, daemon, shim, random.Random(terms.seed)), result, say)
    say("holding everything against the log")
    result.failures += checks.faults_of_log(world, notebook)
    result.records = len(stored_entries(world.audit_directory))
    with setting.plain(world, plain) as daemon:
        setting.learn_more(daemon, notebook.truth, notebook.learnt)
    notebook.hold_against_the_end()
    result.failures += notebook.wrong
    return result


def _forget_log(world: World) -> None:
    """The truth was asked of a daemon with a log of its own; the soak begins with an empty disk, as a new appliance."""
    for path in (world.audit_directory, world.state_directory):
        path.rename(path.with_name(f"{path.name}-before"))
        path.mkdir(mode=0o700)


def _soak(field: Field, result: Result, say: Callable[[str], None]) -> None:
    terms, notebook = result.terms, result.notebook
    keys = checks.log_keys(field.world)
    askers: list[Asker | Bulk] = [Asker(n, field.world, notebook, keys, terms.seed) for n in range(terms.clients)]
    bulk, watch = Bulk(field.world, notebook, terms.seed), Watch(field.daemon)
    askers.append(bulk)
    for thread in askers:
        thread.start()
    try:
        wait_for(lambda: all(asker.served for asker in askers), PATIENCE_SECONDS)
        if terms.seconds >= JUDGED_SECONDS:
            say("warming up")
            wait_for(lambda: notebook.numbers > WARM_NUMBERS, WARM_SECONDS)
        bulk.hurry.clear()
        watch.start()
        _break_things(field, result, askers, say)
    finally:
        for asker in askers:
            asker.stop()
        for asker in askers:
            asker.join(PATIENCE_SECONDS)
        watch.stop()
        bulk.hurry.clear()
    if hanging := [asker.name for asker in askers if asker.is_alive()]:
        result.failures.append(f"still waiting for an answer: {', '.join(hanging)}")
    _memory(watch, result)
    result.failures += checks.oversight_says(field.world, field.world.folder / "exported")
    if (code := field.daemon.stop_and_keep()) != 0:
        result.failures.append(f"the daemon ended with {code}: {field.daemon.log[-1_000:]}")


def _break_things(field: Field, result: Result, askers: Sequence[Asker | Bulk], say: Callable[[str], None]) -> None:
    begin = time.monotonic()
    order = in_some_order(field.chance, list(result.terms.faults))
    while _goes_on(time.monotonic() - begin, result):
        name, at = next(order), time.monotonic()
        try:
            wait_for(lambda: len(field.engines()) == 2, PATIENCE_SECONDS)
            started = time.monotonic()
            ended = FAULTS[name](field)
        except (FaultFailed, AssertionError, OSError) as error:
            result.failures.append(f"{name}: {error or type(error).__name__}")
            return
        back = _back(ended, askers, result)
        result.met.append(Met(name, at - begin, ended - started, back))
        say(f"{at - begin:5.0f} s  {name}: all served again after {back:.2f} s")
        if back > result.terms.back:
            result.failures.append(f"{name}: not everybody was served within {result.terms.back:g} s")
        time.sleep(field.chance.uniform(*result.terms.calm))


def _goes_on(passed: float, result: Result) -> bool:
    """Until the time is over, every fault was met, or an answer was wrong."""
    todo = passed < result.terms.seconds or len(result.met) < len(result.terms.faults)
    return todo and not result.notebook.wrong


def _back(ended: float, askers: Sequence[Asker | Bulk], result: Result) -> float:
    """Seconds from the end of a fault until the last client was served."""
    if not wait_until(lambda: all(asker.served[-1] > ended for asker in askers), PATIENCE_SECONDS):
        late = [asker.name for asker in askers if asker.served[-1] <= ended]
        result.failures.append(f"not served for {PATIENCE_SECONDS:g} s: {', '.join(late)}")
        return PATIENCE_SECONDS
    return max(next(moment for moment in asker.served if moment > ended) - ended for asker in askers)


def _memory(watch: Watch, result: Result) -> None:
    for name, seen in (("daemon", watch.daemon_kilobytes), ("engines", watch.engine_kilobytes)):
        result.growths[name] = growth(seen)
        result.kilobytes[name] = by_tenths(seen)
        if result.terms.seconds >= JUDGED_SECONDS and growth(seen) > MOST_MEBIBYTES[name]:
            result.failures.append(f"memory of the {name} grew by {growth(seen):.0f} MiB")
