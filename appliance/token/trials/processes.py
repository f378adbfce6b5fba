"""Several processes with one token: each logs in by itself, finds the key that another made, and enciphers."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

from appliance.token.stream import CHECK_BLOCK
from appliance.token.trials.bench import Bench
from appliance.token.trials.findings import Differs
from appliance.token.trials.registry import trial

PROCESSES = 4
_COMMAND = (sys.executable, "-m", "appliance.token.trials.other")
_PATIENCE = 90.0  # seconds
_FOR_LONG = 1_000_000_000


class Other:
    """One running process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def expect(self, word: str) -> None:
        """Wait for a word.

        Raises:
            Differs: it said another one, or nothing.
        """
        out = self._process.stdout
        assert out is not None  # noqa: S101 -- a pipe was asked for
        until = monotonic() + _PATIENCE
        ready, _, _ = select.select([out], [], [], max(0.0, until - monotonic()))
        said = out.readline().strip() if ready else "nothing"
        if said != word:
            raise Differs(f"a second process said: {said or 'nothing, and ended'}")

    def tell(self, line: str) -> None:
        """Send it a line."""
        assert self._process.stdin is not None  # noqa: S101 -- a pipe was asked for
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()


@contextmanager
def _other(bench: Bench, key_id: bytes, calls: int) -> Iterator[Other]:
    process = subprocess.Popen(  # noqa: S603 -- this very package
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    other = Other(process)
    try:
        one, facts = bench.terms, bench.token.facts
        task = {"module": str(one.module), "label": facts.label, "serial": facts.serial, "pin": one.pin}
        keyed = {"key_id": key_id.hex(), "check_value": bench.token.check_value(key_id).hex(), "calls": calls}
        other.tell(json.dumps({**task, **keyed}))
        yield other
    finally:
        other.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@trial("process.persistent")
def persistent(bench: Bench) -> str:
    """A key is found by a process that did not make it."""
    with bench.stored_key("persistent") as (key_id, _), _other(bench, key_id, 1) as other:
        other.expect("ready")
        other.tell("go")
        other.expect("done")
    return "a second process found the key by its CKA_ID, with the same check value and attributes"


@trial("process.together")
def together(bench: Bench) -> tuple[str, dict[str, float]]:
    """At work at the same time, none disturbs another.

    They begin one after another, as engines do: of several processes that initialise SoftHSM at the same moment, one
    now and then sees no token.
    """
    calls = bench.terms.count(20_000, 500)
    with bench.stored_key("together") as (key_id, _), ExitStack() as stack:
        others = []
        for _ in range(PROCESSES):
            others.append(stack.enter_context(_other(bench, key_id, calls)))
            others[-1].expect("ready")
        stream = bench.stream(key_id)
        wanted = stream(CHECK_BLOCK)
        for other in others:
            other.tell("go")
        for _ in range(calls):
            if stream(CHECK_BLOCK) != wanted:
                raise Differs("beside other processes, an operation answered with another key")
        for other in others:
            other.expect("done")
    return f"{PROCESSES + 1} processes, {calls:,} calls each, all right", {"processes": PROCESSES + 1.0}


@trial("process.killed")
def killed(bench: Bench) -> str:
    """A process that is killed at work leaves the token to the others."""
    with bench.stored_key("killed") as (key_id, _), _other(bench, key_id, _FOR_LONG) as other:
        other.expect("ready")
        other.tell("go")
        stream = bench.stream(key_id)
        wanted = stream(CHECK_BLOCK)
        other.kill()
        if stream(CHECK_BLOCK) != wanted:
            raise Differs("after a process was killed, an operation answered with another key")
        with _other(bench, key_id, 1) as next_one:
            next_one.expect("ready")
            next_one.tell("go")
            next_one.expect("done")
    return "this process went on, and a new one logged in and enciphered"
