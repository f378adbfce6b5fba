"""How much more several engines do than one: real engine processes, fed with frames as the daemon feeds them.

They are driven directly, without daemon and client, which would want the same cores: this process only hands out
frames made beforehand and counts answers (a few percent of one core). The second token is a clone of the first.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from appliance.engine import frames
from appliance.engine.envelope import Frame, FrameReader, Kind
from appliance.engine.starting import SOCKET_BUFFER
from tests.bench.engine import TOKEN, token_of
from tests.bench.figures import Curve, Figure, Limit, Measured, at_least
from tests.bench.setting import Seen, Setting, middle, ratio
from tests.clonekit import CloneWorld
from tests.world import PROJECT, World

WINDOW = 2  # frames under way, as from the daemon
GOAL = 1.6
ONE, TWO = "engines on one token", "engines on two tokens"


class Engine:
    """The daemon's end of one engine process."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._reader = FrameReader()

    def receive(self) -> list[Frame]:
        """What frames have come; waits for some bytes."""
        data = self.connection.recv(1 << 18)
        if not data:
            raise SystemExit("bench: an engine died")
        return list(self._reader.feed(data))


@contextmanager
def engine(config: Path, world: World, *options: str) -> Iterator[Engine]:
    """An engine process that serves, until the block ends."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    command = [sys.executable, "-m", "appliance.engine", "--config", str(config), "--fd", str(theirs.fileno())]
    with ours, theirs:
        process = subprocess.Popen([*command, *options], pass_fds=(theirs.fileno(),), env=world.env, cwd=PROJECT)
        theirs.close()
        try:
            one = Engine(ours)
            _require_hello(one)
            yield one
        finally:
            ours.close()
            process.wait(30)


def _require_hello(one: Engine) -> None:
    (frame,) = one.receive()
    if frame.kind is not Kind.HELLO:
        raise SystemExit(f"bench: an engine does not serve: {frame.payload.decode()}")


def measure(setting: Setting) -> Measured:
    """Numbers a second with 1, 2 … engines on one token, and on two if the world has a clone."""
    most = max(setting.effort.engines)
    with ExitStack() as running:
        first = [running.enter_context(engine(setting.world.config, setting.world)) for _ in range(most)]
        groups = {f"{ONE} {count}": first[:count] for count in setting.effort.engines}
        if isinstance(setting.world, CloneWorld):
            config = with_clone(setting.world)
            second = [running.enter_context(engine(config, setting.world, "--token", "1")) for _ in range(most // 2)]
            pairs = {2 * each: first[:each] + second[:each] for each in range(1, most // 2 + 1)}
            groups |= {f"{TWO} {count}": engines for count, engines in pairs.items()}
        measures: dict[str, Callable[[], float]] = {"token": token_of(setting)}
        measures |= {name: _driven(engines, setting) for name, engines in groups.items()}
        seen = setting.in_turns(measures, setting.effort.turns)
    figures = [_figure(seen, kind) for kind in (ONE, TWO) if f"{kind} 2" in seen]
    left_out = {} if f"{TWO} 2" in seen else {"engines on two tokens": "the quick run makes no clone"}
    return Measured(figures, [_curve(seen)], left_out)


def with_clone(world: CloneWorld) -> Path:
    """A configuration beside the daemon's, with the clone's table as well: the daemon keeps to one token."""
    clone = world.clones[0]
    path = world.folder / "two-tokens.toml"
    table = f'\n[[clone]]\nlabel = "{clone.label}"\npin_file = "{clone.pin_file}"\n'
    path.write_text(world.config.read_text(encoding="utf-8") + table, encoding="utf-8")
    return path


def _driven(engines: Sequence[Engine], setting: Setting) -> Callable[[], float]:
    ours = setting.ours
    question = frames.pack_convert(1, "sspin.B.1", "sspin.E.1", ours.count, ours.b_text)
    return lambda: drive(engines, question, ours.e_text, setting.effort.slice) * ours.count


def drive(engines: Sequence[Engine], question: bytes, expected: bytes, seconds: float) -> float:
    """Frames answered a second, all engines together; each answer must end with the expected lines."""
    with selectors.DefaultSelector() as selector:
        for one in engines:
            selector.register(one.connection, selectors.EVENT_READ, one)
            one.connection.sendall(question * WINDOW)
        begin, answered, under_way = time.perf_counter(), 0, WINDOW * len(engines)
        while time.perf_counter() - begin < seconds:
            done = _turn(selector, expected, question)
            answered += done
        elapsed = time.perf_counter() - begin
        while under_way:
            under_way -= _turn(selector, expected, None)
    return answered / elapsed


def _turn(selector: selectors.BaseSelector, expected: bytes, question: bytes | None) -> int:
    """Take what answers are there, and ask as many questions again."""
    done = 0
    for key, _ in selector.select(10):
        for frame in key.data.receive():
            if frame.kind is not Kind.ANSWER or not frame.payload.endswith(expected):
                raise SystemExit("bench: an engine answered a wrong number")
            done += 1
            if question is not None:
                key.data.connection.sendall(question)
    return done


def _figure(seen: Seen, kind: str) -> Figure:
    one, two = f"{ONE} 1", f"{kind} 2"
    what = f"two {kind}, {os.cpu_count()} cores"
    name = "engines_2" if kind == ONE else "engines_2_tokens"
    limit, times = Limit("one engine", middle(seen, one)), ratio(seen, two, one)
    return Figure(name, "numbers", what, middle(seen, two), "/s", limit, times, True, at_least(GOAL))


def _curve(seen: Seen) -> Curve:
    series: dict[str, list[tuple[float, float]]] = {ONE: []}
    for name in seen:
        kind, _, count = name.rpartition(" ")
        if kind:
            series.setdefault(kind, []).append((float(count), middle(seen, name)))
    limit = {f"{TOKEN}, × {os.cpu_count()} cores": middle(seen, "token") * (os.cpu_count() or 1)}
    title = "Numbers a second by number of engines"
    return Curve("engines", title, "engine processes", "numbers/s", series, limit)
