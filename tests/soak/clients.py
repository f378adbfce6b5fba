"""64 clients with the hub kit: single numbers, batches with wrong ones among them, new numbers, histories.

Each knows what its answers must be, and when it was last served.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from appliance.hubkit.client import Client
from appliance.hubkit.errors import HistoryUnproven, HubkitError, Refused
from appliance.hubkit.history import verify_history
from appliance.hubkit.wire import Conversion, Failed
from tests.soak.notebook import Answered, Notebook
from tests.world import World

MAY_PASS = frozenset({"audit_unavailable", "deadline_exceeded", "engine_lost", "overloaded", "token_unavailable"})
ANSWER_SECONDS = 30.0
PAUSE = (0.05, 0.3)
REFUSED_PAUSE = 0.2
BATCH = 24
RECENT = 2_000  # answers that a history is held against
MALFORMED = ("", "0", "a number?", "1234567890123456789012345")
KINDS = ("one", "one", "one", "one", "batch", "batch", "new", "history")


class Asker(threading.Thread):
    """One client. ``served``: when each right answer came (monotonic), the newest last."""

    def __init__(self, number: int, world: World, notebook: Notebook, log_keys: Sequence[str], seed: int) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self.kind = KINDS[number % len(KINDS)]
        self.served: list[float] = []
        self._number = number
        self._notebook = notebook
        self._log_keys = log_keys
        self._chance = random.Random(seed * 1_000 + number)
        role = {"new": "numbering", "history": "portal"}.get(self.kind, "hub")
        self._client = Client(world.socket(role), timeout=ANSWER_SECONDS)
        self._asked = 0
        self._end = threading.Event()

    def stop(self) -> None:
        """After the question that it is at."""
        self._end.set()

    def run(self) -> None:
        """Ask, judge, pause."""
        ask: Callable[[], bool] = getattr(self, f"_{self.kind}")
        while not self._end.is_set():
            try:
                if ask():
                    self.served.append(time.monotonic())
                pause = self._chance.uniform(*PAUSE)
            except HubkitError as error:
                self._judge(error)
                pause = REFUSED_PAUSE
            except Exception as error:
                self._notebook.complain(f"{self.name} failed: {type(error).__name__}: {error}")
                return
            self._end.wait(pause)
        self._client.close()

    def _judge(self, error: HubkitError) -> None:
        if isinstance(error, Refused) and error.code in MAY_PASS:
            self._notebook.refuse(error.code)
        else:
            self._notebook.complain(f"{self.name} ({self.kind}): {type(error).__name__}: {error.message}")

    def _one(self) -> bool:
        return self._convert("sspin.B.1", "sspin.E", "exchange", [self._person()])

    def _batch(self) -> bool:
        asked: list[int | str] = [self._person() for _ in range(BATCH)]
        strangers = self._notebook.truth.strangers["sspin.A.1"]
        asked[self._chance.randrange(BATCH)] = self._chance.choice(MALFORMED)
        asked[self._chance.randrange(BATCH)] = self._chance.choice(strangers)
        return self._convert("sspin.A.1", "sspin.B", "tax-assessment", asked)

    def _new(self) -> bool:
        asked = [self._person() for _ in range(3)]
        return self._convert("resident", self._chance.choice(("sspin.A", "sspin.E")), "linking", asked)

    def _person(self) -> int:
        return self._chance.randrange(len(self._notebook.truth.residents))

    def _convert(self, source: str, target: str, purpose: str, asked: Sequence[int | str]) -> bool:
        """Ask for some people's numbers, and for texts that are nobody's."""
        truth = self._notebook.truth
        mine = truth.residents if source == "resident" else truth.numbers[source]
        numbers = [mine[one] if isinstance(one, int) else one for one in asked]
        self._asked += 1
        reference = f"client-{self._number}-{self._asked}"
        said = self._client.convert(source, target, numbers, purpose=purpose, reference=reference)
        strangers = truth.strangers.get(source, ())
        expected = [one if isinstance(one, int) else _fate(one, strangers) for one in asked]
        return self._take(said, reference, expected)

    def _take(self, said: Conversion, reference: str, expected: Sequence[int | str]) -> bool:
        """Whether all of it is right; then it is noted down, to be held against the log."""
        fits = partial(self._fits, said.target)
        if not all(map(fits, said.results, expected)):
            self._notebook.complain(f"{self.name}: WRONG ANSWER to {reference} ({said.source} → {said.target})")
            return False
        malformed, unknown = expected.count("malformed_number"), expected.count("unknown_number")
        counts = (len(expected), len(expected) - malformed - unknown, malformed, unknown)
        people = frozenset(one for one in expected if isinstance(one, int))
        with self._notebook.lock:
            self._notebook.numbers += counts[1]
            self._notebook.answered.append(Answered(said.record, reference, said.source, said.target, counts, people))
        return True

    def _fits(self, target: str, result: object, expected: int | str) -> bool:
        if isinstance(result, Failed):
            return result.code == expected
        number: str = result.number  # type: ignore[attr-defined]  # the only other kind of result
        return isinstance(expected, int) and self._notebook.is_right(target, expected, number)

    def _history(self) -> bool:
        person = self._person()
        number = self._notebook.truth.numbers["common.1"][person]
        said = self._client.history("common.1", number, reference=f"look-{self._number}", limit=20)
        try:
            verify_history(said, self._log_keys)
        except HistoryUnproven as error:
            self._notebook.complain(f"{self.name}: a history is not proven: {error.message}")
            return False
        found = {one.record for one in said.conversions}
        with self._notebook.lock:
            self._notebook.histories += 1
            known = [one for one in self._notebook.answered[-RECENT:] if one.record in found]
        others = [one for one in known if person not in one.people]
        if others:
            self._notebook.complain(f"{self.name}: WRONG HISTORY: record {others[0].record} is about somebody else")
        return not others


def _fate(text: str, strangers: Sequence[str]) -> str:
    return "unknown_number" if text in strangers else "malformed_number"
