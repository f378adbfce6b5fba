"""A token that goes and comes back, crashes at every start, questions that kill engines: who is refused, who ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemonkit import Daemon, alive, codes, copy_world, edit_config, wait_for
from tests.world import TOKEN_LABEL, World, build_world, init_token

FAST = """
import os
from appliance.engine import link, patience, supervisor
patience.LONGEST_WAIT, patience.LONGEST_PAUSE, patience.MOST_DEFECTS = 0.05, 0.1, {most}
supervisor.DOWN_SECONDS, link.START_SECONDS = {down}, {start}
os.environ["PYTHONPATH"] = {folder!r} + os.pathsep + os.environ["PYTHONPATH"]
from appliance.cli import main
main()
"""
MOST = 3
WAIT = 30.0
CRASHING = """
import os, signal, sys
if "appliance.engine" in sys.orig_argv:
    from appliance.engine.converter import Converter
    convert = Converter.convert_lines
    def crashing(self, source, target, data):
        if {when}:
            os.kill(os.getpid(), signal.SIGSEGV)
        return convert(self, source, target, data)
    Converter.convert_lines = crashing
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("recovery") / "w", keys=("spin", "sspin.A", "sspin.B"))


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copy_world(template, tmp_path / "w")


def fast(world: World, *, down: float = 600.0, start: float = 30.0, engines_run: str = "") -> Daemon:
    """A daemon with short pauses. ``engines_run``: what its engines do first, besides."""
    folder = world.folder / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(engines_run, "utf-8")
    return Daemon(world, program=("-c", FAST.format(most=MOST, down=down, start=start, folder=str(folder))))


@contextmanager
def pulled(world: World) -> Iterator[Path]:
    """The token is not there for a while; the folder where tokens are looked for meanwhile."""
    tokens, away = world.folder / "tokens", world.folder / "elsewhere"
    tokens.rename(away)
    tokens.mkdir(mode=0o700)
    try:
        yield tokens
    finally:
        tokens.rename(world.folder / "another")
        away.rename(tokens)


def kill_engines(daemon: Daemon) -> None:
    for engine in daemon.engines():
        os.kill(engine, signal.SIGKILL)


def is_an_engine(pid: int) -> bool:
    """Whether the new process has become an engine; until then, the daemon waits for it."""
    return b"appliance.engine" in Path(f"/proc/{pid}/cmdline").read_bytes()


def ready(daemon: Daemon) -> bool:
    return daemon.ask("hub", "GET", "/readyz").status == 200


def refused(daemon: Daemon) -> None:
    """At once, with words that tell a caller to come again."""
    reply = daemon.convert("sspin.A", "sspin.B", ["?"])
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "token_unavailable", "2")
    said = daemon.ask("hub", "GET", "/readyz")
    assert (said.status, said.json) == (503, {"ready": False, "reason": "token_unavailable"})
    assert daemon.ask("hub", "GET", "/healthz").status == 200


def starts(daemon: Daemon, count: int) -> None:
    """Wait until so many more engines have been started."""
    seen: set[int] = set(daemon.engines())
    before = len(seen)

    def enough() -> bool:
        seen.update(daemon.engines())
        return len(seen) >= before + count

    wait_for(enough, 90)


def test_a_token_that_is_gone_is_waited_for_and_another_in_its_place_is_not_used(world: World) -> None:
    with fast(world) as daemon:
        (number,) = daemon.numbers("resident", "sspin.A", codes(1), role="numbering")
        with pulled(world) as tokens:
            kill_engines(daemon)
            refused_after_the_first_try = daemon.convert("sspin.A", "sspin.B", [number])
            assert refused_after_the_first_try.code == "token_unavailable", "not after DOWN_SECONDS, which are 600"
            starts(daemon, MOST + 2)
            refused(daemon)
            init_token(world.folder, TOKEN_LABEL, "87654321")
            assert any(tokens.iterdir())
            starts(daemon, 2)
            refused(daemon)
        wait_for(lambda: ready(daemon), WAIT)
        assert daemon.convert("sspin.A", "sspin.B", [number]).status == 200
        assert daemon.log.count("token left out") == daemon.log.count("token back") == 1
        assert f"no token has label '{TOKEN_LABEL}' and serial number" in daemon.log
        assert "wrong PIN" not in daemon.log, "it was not even tried"
        assert daemon.stop() == 0


def test_a_wrong_pin_is_tried_once_when_the_token_is_back_and_never_again(world: World) -> None:
    edit_config(world, "\n[engine]\nprocesses = 2\n")
    daemon = fast(world)
    with daemon:
        with pulled(world):
            kill_engines(daemon)
            starts(daemon, 2)
            world.pin_file.write_text("99999999\n", "ascii")
        assert daemon.wait(WAIT) == 5
        assert "wrong PIN; it was tried once" in daemon.log
        assert daemon.records()[-1]["reason"] == "pin"
    again = daemon.launch()
    assert again.wait(WAIT) == 5
    assert "the token refused this PIN before; it was not tried again, lest the token lock" in again.log


def test_an_engine_that_hangs_at_its_start_is_a_token_that_does_not_answer(world: World) -> None:
    flag = world.folder / "hang"
    hangs = f"import os, time\nif os.path.exists({str(flag)!r}):\n    time.sleep(600)\n"
    with fast(world, down=0.3, start=5.0, engines_run=hangs) as daemon:
        (before,) = daemon.engines()
        flag.touch()
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: [pid for pid in daemon.engines() if pid != before and is_an_engine(pid)])
        (hanging,) = daemon.engines()
        wait_for(lambda: daemon.convert("sspin.A", "sspin.B", ["?"]).status == 503)
        refused(daemon)
        flag.unlink()
        wait_for(lambda: not alive(hanging), WAIT)
        wait_for(lambda: ready(daemon), WAIT)
        assert 'reason=token why="did not serve within 5 s"' in daemon.log
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_engines_that_crash_at_each_conversion_are_a_crash_loop_and_end_with_a_clear_stop(world: World) -> None:
    """They convert before they greet, so such an engine never serves, and no caller can be to blame."""
    flag = world.folder / "crash"
    with fast(world, engines_run=CRASHING.format(when=f"os.path.exists({str(flag)!r})")) as daemon:
        flag.touch()
        assert daemon.convert("resident", "sspin.A", codes(1), role="numbering").code == "token_unavailable"
        assert daemon.wait(90) == 70
        last = daemon.log.splitlines()[-2:]
        assert last == [
            f"error: {MOST} engines failed one after another; the last: died of SIGSEGV",
            "hint: try the token and its module with the maker's own tool, then start the daemon again",
        ]
        assert "Traceback" not in daemon.log
        assert (daemon.records()[-1]["kind"], daemon.records()[-1]["reason"]) == ("stop", "defect")


def test_a_question_that_kills_engines_is_refused_and_neither_ends_the_daemon_nor_the_service(world: World) -> None:
    people = codes(2)
    poison = CRASHING.format(when=f"{people[1].encode()!r} in data")
    with fast(world, down=WAIT, engines_run=poison) as daemon:
        for _ in range(MOST):  # each kills two engines
            assert daemon.convert("resident", "sspin.A", people[1:], role="numbering").code == "engine_lost"
            assert daemon.convert("resident", "sspin.A", people[:1], role="numbering").status == 200
        kept = [record for record in daemon.records() if record["kind"] in ("engine_lost", "refusal")]
        assert [record["kind"] for record in kept].count("engine_lost") == 2 * MOST
        told = {(record["role"], record["code"]) for record in kept if record["kind"] == "refusal"}
        assert told == {("numbering", "engine_lost")}, "whoever asked is on record"
        assert daemon.stop() == 0
