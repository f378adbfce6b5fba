"""One measurement of matching against known truth: what became of each kind of record, and what it cost."""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from appliance.matching.attributes import FourAttributes
from appliance.matching.dates import birth_date
from appliance.matching.decision import Decision, Outcome
from appliance.matching.match import match
from appliance.progress import Show
from tests.matching import writtenfiles
from tests.matching.writtenfiles import Texts

RIGHT, WRONG, AMONG, NOT_AMONG, NOT_FOUND = "right", "WRONG", "among candidates", "ambiguous, not among", "not found"
COLUMNS = (RIGHT, WRONG, AMONG, NOT_AMONG, NOT_FOUND)


@dataclass
class Measured:
    """``became``: by kind, how many records had which of `COLUMNS`."""

    people: int
    asked: int = 0
    residents: int = 0
    became: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    wrong: list[tuple[str, Decision[int]]] = field(default_factory=list)

    @property
    def matched(self) -> int:
        """Of all records."""
        return sum(kind[RIGHT] + kind[WRONG] for kind in self.became.values())

    @property
    def mistaken(self) -> int:
        """Matches with somebody else."""
        return sum(kind[WRONG] for kind in self.became.values())

    @property
    def precision(self) -> float:
        """The share of matches that are right."""
        return 1 - self.mistaken / max(self.matched, 1)

    @property
    def precision_bound(self) -> float:
        """What the precision is at least, with a confidence of 95 %: 3/n for no mistake, else by a normal law."""
        mistaken = self.mistaken
        return 1 - (3.0 if mistaken == 0 else mistaken + 1 + 1.645 * math.sqrt(mistaken + 1)) / max(self.matched, 1)

    @property
    def recall(self) -> float:
        """The share of the residents asked for who were matched, and rightly."""
        told = [kind for kind in self.became if not kind.startswith("stranger")]
        return sum(self.became[kind][RIGHT] for kind in told) / max(sum(self.became[kind].total() for kind in told), 1)


def measure(folder: Path, people: int, seed: int, processes: int | None = None, show: Show | None = None) -> Measured:
    """Make both files in another process, match one with the other, and compare with the truth."""
    maker = multiprocessing.get_context("spawn").Process(target=writtenfiles.write, args=(folder, people, seed))
    maker.start()
    maker.join()
    if maker.exitcode != 0:
        raise SystemExit("the files could not be made")
    asked = [_attributes(line.texts) for line in writtenfiles.read_sector(folder)]
    result = Measured(people, len(asked))
    began, cpu = time.perf_counter(), _cpu()

    def look(done: int) -> None:
        result.peak_bytes = max(result.peak_bytes, _memory())
        if show is not None:
            show(done, people)

    decisions = match(asked, _register(folder, result), progress=look, processes=processes)
    result.seconds, result.cpu_seconds = time.perf_counter() - began, _cpu() - cpu
    result.peak_bytes = max(result.peak_bytes, _memory())
    for line, decision in zip(writtenfiles.read_sector(folder), decisions, strict=True):
        became = _became(decision, line.truth)
        result.became.setdefault(line.kind, Counter())[became] += 1
        if became == WRONG:
            result.wrong.append((line.kind, decision))
    return result


def _register(folder: Path, result: Measured) -> Iterator[tuple[FourAttributes, int]]:
    for line, texts in enumerate(writtenfiles.read_register(folder)):
        result.residents += 1
        yield _attributes(texts), line


def _attributes(texts: Texts) -> FourAttributes:
    name, address, birth, sex = texts
    return FourAttributes(name, address, birth_date(birth), sex)


def _became(decision: Decision[int], truth: int) -> str:
    if decision.outcome is Outcome.MATCHED:
        return RIGHT if decision.resident == truth else WRONG
    if decision.outcome is Outcome.NOT_FOUND:
        return NOT_FOUND
    return AMONG if any(one.resident == truth for one in decision.candidates) else NOT_AMONG


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _memory() -> int:
    """What this process and those that read for it have taken at most, added up, in bytes."""
    processes = (os.getpid(), *(child.pid for child in multiprocessing.active_children()))
    status = "".join(Path(f"/proc/{process}/status").read_text(encoding="ascii") for process in processes)
    return sum(int(kilobytes) for kilobytes in re.findall(r"VmHWM:\s+([0-9]+) kB", status)) * 1024
