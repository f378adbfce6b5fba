"""Clients that convert single numbers without a pause, and know what each answer must be."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from itertools import pairwise

from tests.daemonkit import JSON, Daemon, UnixConnection, codes, wait_for

CLIENTS = 32


class Crowd:
    """Clients that convert single numbers without a pause and check every answer."""

    def __init__(self, daemon: Daemon, clients: int = CLIENTS) -> None:
        people = codes(200)
        self._asked = daemon.numbers("resident", "sspin.A", people, role="numbering")
        self._expected = daemon.numbers("resident", "sspin.B", people, role="numbering")
        self._path = daemon.world.socket("hub")
        self._stop = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self.right: list[float] = []
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: len(self.right) > 200)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads)

    def _run(self, place: int) -> None:
        with contextlib.closing(UnixConnection(self._path, timeout=30)) as connection:
            while not self._stop.is_set():
                place = (place + 1) % len(self._asked)
                self.outcomes[self._ask(connection, place)] += 1

    def _ask(self, connection: UnixConnection, place: int) -> str:
        question = {"source": "sspin.A", "target": "sspin.B", "purpose": "exchange", "reference": "crowd"}
        connection.request("POST", "/v1/convert", json.dumps({**question, "numbers": [self._asked[place]]}), JSON)
        try:
            with connection.getresponse() as response:
                status, said = response.status, json.loads(response.read())
        except (http.client.HTTPException, OSError) as error:
            return f"no answer: {type(error).__name__}"
        if status != 200:
            return f"{status} {said['code']}"
        if said["results"] == [{"number": self._expected[place]}]:
            self.right.append(time.monotonic())
            return "right"
        return "WRONG"

    def back_after(self, moment: float) -> float:
        """The longest time (seconds) without a right answer since the moment, once they come again."""
        wait_for(lambda: time.monotonic() > moment + 0.5)
        before = len(self.right)
        wait_for(lambda: len(self.right) > before + 100, 15)
        times = [moment, *sorted(when for when in list(self.right) if when > moment)]
        return max(later - earlier for earlier, later in pairwise(times))
