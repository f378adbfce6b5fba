"""What is broken, one thing at a time: each fault is done, waited for, and its end is a moment in time."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.daemonkit import alive
from tests.shimkit import Shim
from tests.soak.disk import DiskDaemon
from tests.soak.watch import wait_until
from tests.world import World

HELD_SECONDS = 60.0  # that a fault may take to have its effect, on a machine under heavy load
GONE_SECONDS = 3.0
FULL_SECONDS = 1.0
PAUSED_SECONDS = 0.5
ROTATED = ("sspin.E", "sspin.B", "sspin.A")
WORKS = "C_EncryptUpdate"


class FaultFailed(Exception):
    """The fault itself did not come about as it should."""


@dataclass
class Field:
    """What faults are done to. ``generations``: what ceremonies have made."""

    world: World
    daemon: DiskDaemon
    shim: Shim
    chance: random.Random
    generations: list[str] = field(default_factory=list)

    def engines(self) -> list[int]:
        """Engines that serve."""
        serving = self.daemon.ask("hub", "GET", "/v1/status").json["engines"]["serving"]
        return [engine["pid"] for engine in serving]

    def some_engine(self) -> int:
        """One that serves; there is one before each fault."""
        return self.chance.choice(self.engines())


Fault = Callable[[Field], float]


def engine_killed(field: Field) -> float:
    """SIGKILL."""
    os.kill(field.some_engine(), signal.SIGKILL)
    return time.monotonic()


def all_engines_killed(field: Field) -> float:
    """SIGKILL for both at once."""
    for engine in field.engines():
        os.kill(engine, signal.SIGKILL)
    return time.monotonic()


def engine_stopped(field: Field) -> float:
    """SIGSTOP for good: it is over when the daemon has killed it, at its deadline."""
    engine = field.some_engine()
    os.kill(engine, signal.SIGSTOP)
    _require(wait_until(lambda: not alive(engine), HELD_SECONDS), "a stopped engine was not killed")
    return time.monotonic()


def engine_paused(field: Field) -> float:
    """SIGSTOP for half a second."""
    engine = field.some_engine()
    os.kill(engine, signal.SIGSTOP)
    time.sleep(PAUSED_SECONDS)
    os.kill(engine, signal.SIGCONT)
    return time.monotonic()


def token_removed(field: Field) -> float:
    """Every call says that the device is gone."""
    field.shim.do("* fail CKR_DEVICE_REMOVED")
    time.sleep(GONE_SECONDS)
    field.shim.clear()
    return time.monotonic()


def token_folder_away(field: Field) -> float:
    """The token is in no slot any more, and the engines that had it open are lost."""
    tokens, away = field.world.folder / "tokens", field.world.folder / "elsewhere"
    tokens.rename(away)
    tokens.mkdir(mode=0o700)
    all_engines_killed(field)
    time.sleep(GONE_SECONDS)
    tokens.rmdir()
    away.rename(tokens)
    return time.monotonic()


def disk_full(field: Field) -> float:
    """No room for the log."""
    field.daemon.fill()
    time.sleep(FULL_SECONDS)
    field.daemon.free()
    return time.monotonic()


def reload(field: Field) -> float:
    """SIGHUP, nothing new."""
    field.daemon.signal(signal.SIGHUP)
    return time.monotonic()


def rotation(field: Field) -> float:
    """A key ceremony gives a sector its next key; SIGHUP puts it in force."""
    domain = ROTATED[len(field.generations) % len(ROTATED)]
    state = field.world.state()
    number = state.current[domain].number + 1
    field.world.ceremony([f"generate {domain}", f"activate {domain}.{number}"], "Rotation in a soak")
    field.generations.append(f"{domain}.{number}")
    field.daemon.signal(signal.SIGHUP)
    loaded = f" ledger loaded sequence={state.sequence + 1} "
    _require(wait_until(lambda: loaded in field.daemon.log, HELD_SECONDS), "the new ledger was not loaded")
    return time.monotonic()


def _shimmed(name: str, command: str, *, killed: bool = False) -> Fault:
    """A fault of the token for one call; ``killed``: it is over when the daemon has killed the engine."""

    def fault(field: Field) -> float:
        before = field.daemon.log.count(" engine lost ")
        field.shim.do(command)
        came = wait_until(lambda: sum(field.shim.fired().values()), HELD_SECONDS)
        if killed and came:
            came = wait_until(lambda: field.daemon.log.count(" engine lost ") > before, HELD_SECONDS)
        field.shim.clear()
        _require(came, f"{command}: never came about")
        return time.monotonic()

    fault.__doc__ = command
    fault.__name__ = name
    return fault


FAULTS: dict[str, Fault] = {
    "engine killed": engine_killed,
    "both engines killed": all_engines_killed,
    "engine stopped, killed at its deadline": engine_stopped,
    "engine paused for 0.5 s": engine_paused,
    "token removed for 3 s": token_removed,
    "token in no slot for 3 s": token_folder_away,
    "disk full for 1 s": disk_full,
    "SIGHUP": reload,
    "rotation by ceremony": rotation,
    "altered ciphertext": _shimmed("altered", f"{WORKS} alter times=1"),
    "another key answers": _shimmed("swapped", f"{WORKS} swap sspin.E.1 key=sspin.B.1 times=1"),
    "short answer": _shimmed("short", f"{WORKS} short 16 times=1"),
    "call hangs": _shimmed("hang", f"{WORKS} hang times=1", killed=True),
    "module crashes": _shimmed("crash", f"{WORKS} crash times=1"),
    "sessions dropped": _shimmed("drop", f"{WORKS} drop times=1"),
    "device error": _shimmed("error", f"{WORKS} fail CKR_DEVICE_ERROR times=1"),
    "slow token": _shimmed("slow", f"{WORKS} delay 300 times=10"),
    "signature fails": _shimmed("sign", "C_Sign fail CKR_DEVICE_ERROR times=1"),
}


def in_some_order(chance: random.Random, names: list[str]) -> Iterator[str]:
    """Every fault once in each round, the rounds in an order of their own; a rotation in every other round only."""
    count = 0
    while True:
        count += 1
        once = list(names)
        chance.shuffle(once)
        yield from (name for name in once if name != "rotation by ceremony" or count % 2)


def _require(held: bool, otherwise: str) -> None:
    if not held:
        raise FaultFailed(otherwise)
