"""What clients got: right answers with their records, refusals, and anything that must not be."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.soak.setting import Truth


class Answered(NamedTuple):
    """A conversion as its client knows it; ``people``: whose numbers it was about, the wrong ones left out."""

    record: int
    reference: str
    source: str
    target: str
    counts: tuple[int, int, int, int]  # asked, converted, malformed, unknown
    people: frozenset[int]


class Streamed(NamedTuple):
    """A stream as far as its client read it. ``lines``: answers; ``broken``: the code, None if it came to its end."""

    reference: str
    target: str
    lines: int
    broken: str | None


@dataclass
class Notebook:
    """Shared by all clients. ``wrong``: each entry fails the soak."""

    truth: Truth
    answered: list[Answered] = field(default_factory=list)
    streamed: list[Streamed] = field(default_factory=list)
    histories: int = 0
    numbers: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    learnt: dict[str, dict[int, str]] = field(default_factory=dict)  # of generations whose truth is not known yet
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_right(self, target: str, person: int, number: str) -> bool:
        """Whether that is the person's number; of a new generation: the one they got before, held against the end."""
        known = self.truth.numbers.get(target)
        if known is not None:
            return number == known[person]
        with self.lock:
            return self.learnt.setdefault(target, {}).setdefault(person, number) == number

    def complain(self, what: str) -> None:
        """Something that must never be."""
        with self.lock:
            self.wrong.append(what)

    def refuse(self, code: str) -> None:
        """A clear refusal."""
        with self.lock:
            self.refused[code] += 1

    def hold_against_the_end(self) -> None:
        """Once the truth of the new generations is known."""
        for target, people in self.learnt.items():
            for person, number in people.items():
                if self.truth.numbers[target][person] != number:
                    self.wrong.append(f"{target}: a wrong number was answered")
