"""One process that talks to the token, with one job, seen from outside: what it tells, and how it ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import IO, Any

from appliance.qualify.errors import LoginRefused
from appliance.token.trials.bench import Terms

_COMMAND = (sys.executable, "-m", "appliance.qualify.worker")
_CHUNK = 65_536
_LAST = 30.0  # seconds from the last word to the end of the process


class Job:
    """One worker with one job; a context manager that ends it, and what it has started."""

    def __init__(self, terms: Terms, do: str, checks: tuple[str, ...] = ()) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 -- closed below
        self._rest = b""
        self._process = subprocess.Popen(  # noqa: S603 -- this very package
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,
        )
        task = {"module": str(terms.module), "label": terms.label, "serial": terms.serial, "quick": terms.quick}
        secret = {"pin": terms.pin, "so_pin": terms.so_pin}
        with suppress(BrokenPipeError):  # it ended already, and the end is told by `lines`
            line = json.dumps({**task, **secret, "do": do, "checks": checks}) + "\n"
            self._pipe(self._process.stdin).write(line.encode())
            self._pipe(self._process.stdin).flush()

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._said):
            with suppress(BrokenPipeError):
                self._pipe(file).close()

    def lines(self, patience: float) -> Iterator[dict[str, Any]]:
        """What it tells, until its end, or until it has been silent for too long.

        Raises:
            LoginRefused: nothing can be tried.
            TimeoutError: it is silent.
        """
        while line := self._line(patience):
            told = json.loads(line)
            if "refused" in told:
                raise LoginRefused(told["refused"]["message"], told["refused"]["hint"])
            yield told

    def _line(self, patience: float) -> bytes:
        """The next line; empty at the end."""
        out, until = self._pipe(self._process.stdout).fileno(), monotonic() + patience
        while b"\n" not in self._rest:
            ready, _, _ = select.select([out], [], [], max(0.0, until - monotonic()))
            if not ready:
                raise TimeoutError
            more = os.read(out, _CHUNK)
            if not more:
                return b""
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def end(self) -> str:
        """How the process ended, and the last words it said, if any."""
        try:
            code = self._process.wait(_LAST)
        except subprocess.TimeoutExpired:
            return "it closed its output and did not end"
        self._said.seek(0)
        words = [line.strip() for line in self._said.read().decode("utf-8", "replace").splitlines() if line.strip()]
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}: {words[-1][:200]}" if words else how

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:
            raise AssertionError("a pipe was asked for")
        return pipe
