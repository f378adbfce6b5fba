"""One real engine process on a real token: what it serves, what it refuses, and its last words."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.engine import link as link_module
from appliance.engine.envelope import Kind, pack
from appliance.engine.frames import Answer, pack_answer, pack_error
from appliance.engine.link import Link
from tests.daemonkit import alive, codes, wait_for
from tests.enginekit import conversion, convert, lines, refused_start, with_engine
from tests.world import World


def test_it_says_what_it_verified(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        hello, state = engine.hello, rich.state()
        assert (hello.sequence, hello.head) == (state.sequence, state.head)
        assert hello.token.serial == state.token_serial
        told = {fact.generation: (fact.state, fact.current, fact.usable) for fact in hello.generations}
        assert told["sspin.A.1"] == ("active", True, True)
        assert told["sspin.C.2"] == ("generated", False, False)
        assert told["sspin.D.1"] == ("decrypt-only", False, True)
        assert told["sspin.D.2"] == ("active", True, True)
        assert "sspin.F.1" not in told
        assert told["log.1"] == told["tag.1"] == ("active", True, True)

    with_engine(rich, work, monkeypatch)


def test_it_converts_there_and_back(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        people = codes(300)
        in_b = await lines(engine, "resident", "sspin.B.1", people)
        in_e = await lines(engine, "sspin.B.1", "sspin.E.1", in_b)
        assert in_e == await lines(engine, "resident", "sspin.E", people)
        assert await lines(engine, "sspin.E.1", "sspin.B.1", in_e) == in_b
        assert len(set(in_b) | set(in_e)) == 600
        assert engine.answered == 1200

    with_engine(rich, work, monkeypatch)


def test_one_bad_line_fails_alone_in_a_small_and_in_a_large_frame(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        good = await lines(engine, "resident", "sspin.B", codes(100))
        expected = await lines(engine, "sspin.B", "sspin.E", good)
        for size in (2, 100):
            asked = [*good[: size - 1], "", "x" * 300, "ABC98765XYZ", "abc98765xyz", good[size - 1]]
            answer = await convert(engine, "sspin.B", "sspin.E", asked)
            assert isinstance(answer, Answer)
            failed = ["!malformed_number", "!malformed_number", "!unknown_number", "!malformed_number"]
            assert answer.lines.decode().splitlines() == [*expected[: size - 1], *failed, expected[size - 1]]
            assert len(set(answer.tags[start : start + 16] for start in range(0, len(answer.tags), 16))) == size
            assert (answer.converted, answer.malformed, answer.unknown) == (size, 3, 1)

    with_engine(rich, work, monkeypatch)


REFUSALS = [
    ("spin", "resident", "pair_denied"),
    ("spin.1", "sspin.A.1", "pair_denied"),
    ("sspin.A", "resident", "pair_denied"),
    ("sspin.A", "spin", "pair_denied"),
    ("resident", "spin", "pair_denied"),
    ("common", "sspin.A", "pair_denied"),
    ("sspin.A.1", "sspin.A.1", "pair_denied"),
    ("sspin.A.2", "sspin.B.1", "unknown_generation"),
    ("sspin.Z", "sspin.B.1", "unknown_generation"),
    ("resident.1", "sspin.B.1", "unknown_generation"),
    ("tag", "resident", "unknown_generation"),
    ("tag.1", "resident", "unknown_generation"),
    ("resident", "tag.1", "unknown_generation"),
    ("log.1", "sspin.B.1", "unknown_generation"),
    ("sspin.A.1", "sspin.C.2", "generation_unusable"),
    ("sspin.C.2", "sspin.A.1", "generation_unusable"),
    ("sspin.A.1", "sspin.D.1", "generation_unusable"),
    ("sspin.A.1", "sspin.F", "generation_unusable"),
]


def test_it_refuses_by_itself_what_no_role_has(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon asks for none of these; an engine does not rely on that."""

    async def work(engine: Link) -> None:
        for source, target, code in REFUSALS:
            assert await convert(engine, source, target, ["ABC98765XYZ"]) == code, (source, target)
        assert await lines(engine, "sspin.D.1", "sspin.D.2", ["?"]) == ["!malformed_number"], "it serves on"

    with_engine(rich, work, monkeypatch)


def test_it_ends_when_the_socket_is_closed(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        engine.close()
        assert await engine.wait_end() == "ended with exit code 0"
        assert not alive(engine.hello.pid)

    with_engine(rich, work, monkeypatch)


def test_it_answers_what_it_has_before_it_ends(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        job = conversion("resident", "sspin.B", codes(8_192))
        engine.send(job)
        engine.close()
        assert isinstance(await job.outcome, Answer)
        assert await engine.wait_end() == "ended with exit code 0"

    with_engine(rich, work, monkeypatch)


def test_signals_are_for_the_daemon(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU):
            os.kill(engine.hello.pid, number)
        await asyncio.sleep(0.05)
        assert await lines(engine, "sspin.A", "sspin.B", ["?"]) == ["!malformed_number"]

    with_engine(rich, work, monkeypatch)


def test_one_that_broke_the_protocol_is_killed(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        engine.data_received(b"KF\x03\x04" + bytes(8) + bytes(4))  # an answer to a question that nobody asked
        assert "broke the protocol: frame ANSWER: answers a question that was not asked" in await engine.wait_end()
        assert not alive(engine.hello.pid)

    with_engine(rich, work, monkeypatch)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pack(Kind.SIGNED, 1, bytes(64)), "frame SIGNED: not the answer to that question"),
        (pack_error(1, "checkpoint_refused"), "frame ERROR: an unknown code"),
        (pack_answer(1, Answer(1, 0, 0, b"ABC98765XYZ\n")), "frame ANSWER: not one tag for each converted number"),
    ],
    ids=["another kind", "another question's code", "no tags"],
)
def test_an_answer_to_another_question_is_no_answer(
    rich: World, monkeypatch: pytest.MonkeyPatch, frame: bytes, said: str
) -> None:
    async def work(engine: Link) -> None:
        os.kill(engine.hello.pid, signal.SIGSTOP)
        question = conversion("sspin.A", "sspin.B", ["ABC98765XYZ"])
        engine.send(question)
        engine.data_received(frame)
        assert await engine.wait_end() == f"broke the protocol: {said}"
        assert not question.outcome.done(), "it can be asked again elsewhere"

    with_engine(rich, work, monkeypatch)


def test_a_hung_one_is_killed_at_its_deadline(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        os.kill(engine.hello.pid, signal.SIGSTOP)
        engine.send(conversion("sspin.A", "sspin.B", ["?"]))
        begin = asyncio.get_running_loop().time()
        assert await engine.wait_end() == "gave no answer for 0.5 s"
        assert 0.4 < asyncio.get_running_loop().time() - begin < 2
        assert not alive(engine.hello.pid)

    with_engine(rich, work, monkeypatch, deadline=0.5)


def test_an_idle_one_that_hangs_is_found_out(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        await asyncio.sleep(1.2)  # pings are answered meanwhile
        assert alive(engine.hello.pid)
        os.kill(engine.hello.pid, signal.SIGSTOP)
        assert await engine.wait_end() == "gave no answer for 0.4 s"

    with_engine(rich, work, monkeypatch, deadline=0.4)


def test_one_that_never_serves_is_given_up(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "START_SECONDS", 0.05)
    failed = refused_start(rich, monkeypatch)
    assert (failed.reason, failed.message) == ("token", "did not serve within 0.05 s")
    assert failed.hint == "does the token answer? try it and its module with the maker's own tool"


def test_a_wrong_pin_is_tried_once_whoever_asks_again(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small.pin_file.write_text("99999999\n", "ascii")
    first = refused_start(small, monkeypatch)
    assert (first.reason, first.exit_code) == ("pin", 5)
    assert "wrong PIN; it was tried once" in first.message
    second = refused_start(small, monkeypatch)
    assert (second.reason, second.exit_code) == ("pin", 5)
    assert "it was not tried again" in second.message
    assert "99999999" not in first.message + second.message + str(first.hint) + str(second.hint)
    small.pin_file.write_text(small.pin + "\n", "ascii")
    with_engine(small, lambda engine: asyncio.sleep(0), monkeypatch)


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_pin_file_that_others_can_read_is_refused(small: World, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    small.pin_file.chmod(mode)
    failed = refused_start(small, monkeypatch)
    assert (failed.reason, failed.exit_code) == ("configuration", 3)
    assert "group or others can read" in failed.message


def test_a_missing_token_is_told(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (small.folder / "tokens").rename(small.folder / "elsewhere")
    (small.folder / "tokens").mkdir()
    failed = refused_start(small, monkeypatch)
    assert (failed.reason, failed.exit_code) == ("token", 5)
    assert small.token_label in failed.message


DESTROY = """
import sys
from pathlib import Path
from appliance.token.token import Token
module, serial, key_id = sys.argv[1:]
with Token.open(Path(module), label=None, serial=serial, pin=sys.stdin.read(), writable=True) as token:
    token.destroy(bytes.fromhex(key_id))
"""


@pytest.mark.parametrize("domain", ["sspin.A", "tag", "log"])
def test_a_key_that_is_gone_refuses_the_whole_engine(
    small: World, monkeypatch: pytest.MonkeyPatch, domain: str
) -> None:
    state = small.state()
    key = state.keys[state.current[domain]]
    destroy = [sys.executable, "-c", DESTROY, str(small.module), state.token_serial, key.key_id.hex()]
    subprocess.run(destroy, env=small.env, input=small.pin, text=True, check=True, timeout=60)
    failed = refused_start(small, monkeypatch)
    assert (failed.reason, failed.exit_code) == ("keys", 5)
    assert key.key_id.hex() in failed.message


def test_a_ledger_without_a_log_key_in_use_is_not_served(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small.ceremony(["suspend log.1"])
    small.pin_file.unlink()  # it is refused before the PIN is read
    failed = refused_start(small, monkeypatch)
    assert (failed.reason, failed.exit_code) == ("ledger", 4)
    assert failed.message == "the ledger has no active log key: no checkpoint of the audit log could be signed"
    assert failed.hint == "keyceremony plan keys 'generate log' 'activate log.2'"


def newest(world: World) -> list[Path]:
    return sorted(path for path in world.ledger.iterdir() if path.name.startswith("000002"))


def test_a_changed_ledger_is_refused_by_name(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted(small.ledger.glob("*.cms")):
        whole = path.read_bytes()
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
        failed = refused_start(small, monkeypatch)
        assert (failed.reason, failed.exit_code) == ("ledger", 4)
        assert failed.message.startswith(f"{path.name}: ")
        path.write_bytes(whole)


def test_a_ledger_put_back_is_refused_once_the_newer_one_was_seen(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {path: path.read_bytes() for path in newest(small)}
    with_engine(small, lambda engine: asyncio.sleep(0), monkeypatch)
    for path in entry:
        path.unlink()
    failed = refused_start(small, monkeypatch)
    assert (failed.reason, failed.exit_code) == ("ledger", 4)
    assert failed.message == "the ledger ends at 000001; 000002 has been seen already"
    for path, whole in entry.items():
        path.write_bytes(whole)
    with_engine(small, lambda engine: asyncio.sleep(0), monkeypatch)


def test_a_missing_file_of_the_ledger_is_named(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newest(small)[1].unlink()
    failed = refused_start(small, monkeypatch)
    assert (failed.reason, failed.message) == ("ledger", "000002.outcome.cms: is missing")


def test_another_trust_anchor_is_refused(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = small.config.read_text("utf-8")
    small.config.write_text(text.replace(small.anchor, "0" * 64), "utf-8")
    failed = refused_start(small, monkeypatch)
    assert (failed.reason, failed.exit_code) == ("ledger", 4)
    assert "the trust anchor is 0000" in failed.message


def test_an_unknown_key_of_the_configuration_is_named(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small.config.write_text(small.config.read_text("utf-8") + '\n[extra]\nx = "y"\n', "utf-8")
    failed = refused_start(small, monkeypatch)
    assert (failed.reason, failed.exit_code) == ("configuration", 3)
    assert "extra" in failed.message


def test_it_leaves_no_process_behind(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []

    async def work(engine: Link) -> None:
        pids.append(engine.hello.pid)
        engine.kill("enough")
        assert await engine.wait_end() == "enough"

    with_engine(small, work, monkeypatch)
    wait_for(lambda: not alive(pids[0]))


@pytest.mark.parametrize(("trouble", "code"), [("configuration", 3), ("ledger", 4), ("pin", 5)])
def test_its_exit_code_says_why_even_when_nobody_listens(small: World, trouble: str, code: int) -> None:
    if trouble == "configuration":
        small.config.write_text("[token]\n", "utf-8")
    elif trouble == "ledger":
        newest(small)[0].unlink()
    else:
        small.pin_file.write_text("99999999\n", "ascii")
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        command = [
            sys.executable,
            "-m",
            "appliance.engine",
            "--config",
            str(small.config),
            "--fd",
            str(theirs.fileno()),
        ]
        done = subprocess.run(
            command, env=small.env, pass_fds=[theirs.fileno()], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == code
    assert done.stderr.startswith("kagimori engine: ")
    assert "99999999" not in done.stderr and "Traceback" not in done.stderr
