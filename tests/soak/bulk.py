"""A bulk stream that begins anew whenever it is done, or broken: every line held against the truth."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

from appliance.hubkit.client import Client, ConvertedStream
from appliance.hubkit.errors import HubkitError, Refused, StreamBroken
from tests.soak.clients import ANSWER_SECONDS, MAY_PASS
from tests.soak.notebook import Notebook, Streamed
from tests.world import World

LINES = 40_000
BLOCK = 500  # lines at once, then a pause: constant load rather than all that the machine gives
BLOCK_PAUSE = 0.1
UNKNOWN = "!unknown_number"


class Bulk(threading.Thread):
    """One stream after another, A → B, without pauses while ``hurry`` is set. ``served``: as of `clients.Asker`."""

    def __init__(self, world: World, notebook: Notebook, seed: int) -> None:
        super().__init__(name="bulk stream", daemon=True)
        self.served: list[float] = []
        self._world = world
        self._notebook = notebook
        self._chance = random.Random(seed)
        self.hurry = threading.Event()
        self.hurry.set()
        self._end = threading.Event()
        self._asked: list[int | None] = []

    def stop(self) -> None:
        """After the lines that were sent."""
        self._end.set()

    def run(self) -> None:
        """Stream, judge, begin anew."""
        count = 0
        while not self._end.is_set():
            count += 1
            try:
                self._stream(f"stream-{count}")
            except Exception as error:
                self._notebook.complain(f"{self.name} failed: {type(error).__name__}: {error}")
                return

    def _stream(self, reference: str) -> None:
        self._asked = []
        terms = {"purpose": "exchange", "reference": reference}
        try:
            with Client(self._world.socket("hub"), timeout=ANSWER_SECONDS) as client:
                stream = client.convert_stream("sspin.A.1", "sspin.B", self._lines(), **terms)
        except HubkitError as error:
            self._judge(error)
            self._end.wait(0.2)
            return
        self._read(stream, reference)

    def _lines(self) -> Iterator[str]:
        """People's numbers, now and then nobody's, a block at a time."""
        truth = self._notebook.truth
        mine, strangers = truth.numbers["sspin.A.1"], truth.strangers["sspin.A.1"]
        while len(self._asked) < LINES and not self._end.is_set():
            for _ in range(BLOCK):
                person = self._chance.randrange(len(mine)) if self._chance.random() < 0.99 else None
                self._asked.append(person)
                yield mine[person] if person is not None else self._chance.choice(strangers)
            if not self.hurry.is_set():
                time.sleep(BLOCK_PAUSE)

    def _read(self, stream: ConvertedStream, reference: str) -> None:
        count, broken = 0, None
        with stream:
            try:
                for block in stream.blocks():
                    lines = block.decode("ascii").splitlines()
                    self._hold(stream.target, lines, count)
                    count += len(lines)
                    self.served.append(time.monotonic())
            except HubkitError as error:
                broken = error.code if isinstance(error, StreamBroken) else type(error).__name__
                self._judge(error)
        with self._notebook.lock:
            self._notebook.numbers += count
            self._notebook.streamed.append(Streamed(reference, stream.target, count, broken))

    def _hold(self, target: str, lines: list[str], start: int) -> None:
        for line, person in zip(lines, self._asked[start:], strict=False):
            right = line == UNKNOWN if person is None else self._notebook.is_right(target, person, line)
            if not right:
                self._notebook.complain(f"WRONG ANSWER in a stream ({target})")

    def _judge(self, error: HubkitError) -> None:
        if isinstance(error, Refused | StreamBroken) and error.code in MAY_PASS:
            self._notebook.refuse(error.code)
        else:
            self._notebook.complain(f"{self.name}: {type(error).__name__}: {error.message}")
