"""A daemon on a faulty token, asked in every way there is; what came of it is told in the words of the fault table.

Every answer is held against the true numbers, which are made before the first fault by another route (from the
resident codes). One wrong number, one line missing, one record of a person's history missing: AssertionError.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.daemonkit import Daemon, codes, edit_config, wait_for
from tests.faults.faulttable import PARTS
from tests.faults.faultwords import BACK, REPLACED, RIGHT, Cell
from tests.shimkit import Shim, shimmed
from tests.watchkit import history, verified
from tests.world import World

AMPLE = 60.0  # seconds, on a machine that has other things to do
PROGRAM = """
from appliance.daemon import checkpoints
from appliance.engine import link, patience, supervisor
patience.STABLE_SECONDS = 0.0  # an engine's end in one cell does not count in the next
checkpoints.PAUSE_SECONDS = checkpoints.RETRY_SECONDS = 0.05
supervisor.DOWN_SECONDS = {down}  # how long a question waits for the next engine
link.START_SECONDS = {start}
from appliance.cli import main
main()
"""
DOMAINS = ("common", "spin", "sspin.A", "sspin.B", "sspin.C")
Outcome = str  # a word of the table


def cells(*parts: str) -> Any:
    """Parametrizes a test with the cells of these parts; each is noted for the printed table."""
    chosen = [cell for part in parts for cell in PARTS[part]]
    return pytest.mark.parametrize("cell", chosen, ids=[cell.name for cell in chosen])


class Faulty:
    """A running daemon and the shim it works through. ``deadline``, ``start``, ``down``: seconds."""

    def __init__(self, world: World, deadline: float, start: float = 30.0, down: float = 20.0) -> None:
        self.shim: Shim = shimmed(world)
        edit_config(world, f"\n[engine]\ndeadline_seconds = {deadline}\n")
        self.daemon = Daemon(world, program=("-c", PROGRAM.format(start=start, down=down))).start()
        people = codes(300)
        self._a = self._from_resident("sspin.A", people)
        self._b = self._from_resident("sspin.B", people)
        (self._common,) = self._from_resident("common", codes(1, 1_000))
        self._history = [record["record"] for record in self.daemon.records() if record["kind"] == "conversion"][-1:]
        self._asked: dict[str, Callable[[], Outcome]] = {
            "one number": self._one_number,
            "batch": self._batch,
            "stream": self._stream,
            "history": self._look_up,
            "signature": self._signature,
        }

    def _from_resident(self, target: str, people: list[str]) -> list[str]:
        return self.daemon.numbers("resident", target, people, role="numbering")

    # --- one cell --------------------------------------------------------------------------------

    def outcome(self, cell: Cell) -> Outcome:
        """Make the fault, ask, and say what came of it; then the fault is over, and all must be well again."""
        self.well()
        already = len(self.daemon.log)
        self.shim.do(*cell.commands)
        came = self.ask(cell.operation)
        self.require_met(cell, already)
        if came == RIGHT and " engine lost " in self.log_since(already):
            came = REPLACED
        self.shim.clear()
        assert self.ask_until_right(cell.operation) == RIGHT
        assert "Traceback" not in self.log_since(already)
        return came

    def restarted(self, cell: Cell) -> Outcome:
        """The same with the fault in the start of the engine that replaces one that was killed."""
        self.well()
        already = len(self.daemon.log)
        self.shim.do(*cell.commands)
        self.kill_engine()
        refused = self._refusal()
        if cell.expected == BACK:
            assert self.ask_until_right("one number") == RIGHT
        self.require_met(cell, already)
        self.shim.clear()
        assert self.ask_until_right("one number") == RIGHT
        return BACK if cell.expected == BACK else refused

    def kill_engine(self) -> None:
        for pid in self.daemon.engines():
            os.kill(pid, signal.SIGKILL)

    def _refusal(self) -> Outcome:
        """What a caller is told once the daemon has given up waiting for an engine; a right answer ends the waiting."""
        end = time.monotonic() + AMPLE
        while True:
            came = self.ask("one number")
            if came in (RIGHT, "refused token_unavailable"):
                return came
            assert time.monotonic() < end, came

    def well(self) -> None:
        """No fault, no PIN that was refused, an engine that serves, and everything signed."""
        self.shim.clear()
        for marker in self.daemon.world.state_directory.glob("pin-refused*"):
            marker.unlink()
        wait_for(self._ready, AMPLE)
        self.signed()

    def _ready(self) -> bool:
        return self.daemon.ask("hub", "GET", "/readyz").status == 200

    def require_met(self, cell: Cell, already: int) -> None:
        """The fault must have been met, and the log tell of it."""
        assert all(self.shim.fired().values()), f"never met: {self.shim.met()}"
        if cell.says:
            self._wait_for_words(cell.says, already)

    def _wait_for_words(self, says: str, already: int) -> None:
        end = time.monotonic() + 15
        while says not in (said := self.log_since(already)):
            assert time.monotonic() < end, f"the log does not say {says!r}:\n{said}"
            time.sleep(0.02)

    def log_since(self, already: int) -> str:
        return self.daemon.log[already:]

    def ask_until_right(self, operation: str) -> Outcome:
        """Until a right answer comes; everything else meanwhile must be a refusal."""
        end = time.monotonic() + AMPLE
        while (came := self.ask(operation)) != RIGHT:
            assert time.monotonic() < end, f"never right again: {came}\n{self.daemon.log[-2000:]}"
            time.sleep(0.02)
        return came

    def ask(self, operation: str) -> Outcome:
        """``right``, or ``refused CODE``; an AssertionError if the answer is wrong."""
        return self._asked[operation]()

    # --- the ways to ask -------------------------------------------------------------------------

    def _one_number(self) -> Outcome:
        return self._converted(self._a[:1], self._b[:1])

    def _batch(self) -> Outcome:
        return self._converted(self._a, self._b)

    def _converted(self, asked: list[str], expected: list[str]) -> Outcome:
        reply = self.daemon.convert("sspin.A", "sspin.B", asked)
        if reply.status != 200:
            return f"refused {reply.code}"
        said = [result.get("number", result.get("error")) for result in reply.json["results"]]
        assert said == expected, f"WRONG: {said} instead of {expected}"
        return RIGHT

    def _stream(self) -> Outcome:
        lines, expected = (_lines(numbers) * 10 for numbers in (self._a, self._b))
        reply = self.daemon.stream("sspin.A", "sspin.B", lines)
        if reply.status != 200:
            return f"refused {reply.code}"
        whole, _, code = reply.body.partition(b"!!")
        assert expected.startswith(whole), "WRONG lines in the stream"
        if code:
            return f"refused {code.decode().strip()}"
        assert whole == expected, "the stream ended early and did not say so"
        return RIGHT

    def _look_up(self) -> Outcome:
        reply = history(self.daemon, "common", self._common)
        if reply.status != 200:
            return f"refused {reply.code}"
        verified(self.daemon.world, reply.json["checkpoint"].encode())
        found = [one["record"] for one in reply.json["conversions"]]
        assert found == self._history, f"WRONG history: {found} instead of {self._history}"
        return RIGHT

    def _signature(self) -> Outcome:
        """A new record, and then a signed checkpoint that covers it."""
        if (came := self._one_number()) != RIGHT:
            return came
        return self.signed()

    def signed(self) -> Outcome:
        """Whether the newest checkpoint covers every record of now, its signature verified; waits for it."""
        size, end = len(self.daemon.records()), time.monotonic() + AMPLE
        while True:
            reply = self.daemon.ask("oversight", "GET", "/v1/log/checkpoint")
            if reply.status == 200 and verified(self.daemon.world, reply.body).size >= size:
                return RIGHT
            if not self._ready() and (came := self._one_number()) != RIGHT:  # which waits for the next engine
                return came
            assert time.monotonic() < end, f"not signed: {self.daemon.log[-2000:]}"
            time.sleep(0.02)


def _lines(numbers: Iterable[str]) -> bytes:
    return "".join(f"{number}\n" for number in numbers).encode()
