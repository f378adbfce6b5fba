"""``appliance oversight witness`` and ``deliver`` at the command line: over a socket, from a copy, and following."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from logkit import Log
from runkit import Run
from serverkit import LogServer

from appliance.oversight.cli import oversight
from appliance.oversight.witness import keys
from appliance.oversight.witness.state import WitnessState
from appliance.tlog import cosignature
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import parse_text
from tests.commandkit import commands_of

NAME = "oversight.example/witness-1"
Serve = Callable[[Path], LogServer]


@pytest.fixture
def mine(tmp_path: Path, log: Log) -> list[object]:
    """The options that say who the witness is and what it trusts."""
    keys.make(tmp_path / "keys", NAME, None)
    return ["--keys", tmp_path / "keys", "--state", tmp_path / "state", "--anchor", log.book.anchor]


def test_a_first_and_a_second_look(tmp_path: Path, log: Log, serve: Serve, run: Run, mine: list[object]) -> None:
    server = serve(log.write(tmp_path / "first", 700))
    ran = run("witness", *mine, "--socket", server.path, "--begin")
    assert (ran.code, ran.err) == (0, "")
    assert f"size 700 (700 new, 700 read), root {log.root(700).hex()}; co-signed, accepted: {NAME}" in ran.out
    server.folder = log.write(tmp_path / "second")
    ran = run("witness", *mine, "--socket", server.path, "--json")
    said = json.loads(ran.out)
    assert (said["size"], said["before"], said["read"], said["accepted"]) == (1000, 700, 300, [NAME])
    loaded = keys.load(tmp_path / "keys", str)
    for handed, size in zip(server.handed_in, (700, 1000), strict=True):
        note = notes.parse(handed)
        assert len(cosignature.verified(note, log.checkpoint(size), loaded.vkeys)) == 2


def test_an_alarm_ends_with_1_and_names_both_heads(
    tmp_path: Path, log: Log, serve: Serve, run: Run, mine: list[object]
) -> None:
    server = serve(log.write(tmp_path / "first", 900))
    run("witness", *mine, "--socket", server.path, "--begin")
    fork = Log(log.book, entries=log.entries[:899], leaves=log.leaves[:899], clock=log.clock)
    fork.stop()
    server.folder = fork.write(tmp_path / "fork")
    ran = run("witness", *mine, "--socket", server.path)
    assert ran.code == 1
    assert ran.err.startswith(
        f"error: the log was forked: seen before: size 900, root {log.root(900).hex()}; "
        f"offered now: size 900, root {fork.root().hex()}\nhint: both signed notes are kept in "
    )
    server.folder = log.write(tmp_path / "honest")
    ran = run("witness", *mine, "--socket", server.path)
    assert ran.code == 1
    assert "an alarm stands, and nothing is signed: the log was forked" in ran.err
    assert len(server.handed_in) == 1


def test_from_a_copy_and_delivered(tmp_path: Path, log: Log, serve: Serve, run: Run, mine: list[object]) -> None:
    copy = log.write(tmp_path / "copy")
    carried = tmp_path / "cosigned.note"
    ran = run("witness", *mine, "--copy", copy, "--output", carried, "--begin")
    assert ran.code == 0
    assert f"co-signed, in {carried}; hand it in with `appliance oversight deliver`" in ran.out
    server = serve(copy)
    ran = run("deliver", carried, "--socket", server.path)
    assert (ran.code, ran.out) == (0, f"accepted for size 1000: {NAME}\n")
    ran = run("deliver", carried, "--socket", server.path, "--json")
    assert json.loads(ran.out) == {"size": 1000, "accepted": [NAME]}
    assert server.handed_in == [carried.read_bytes()] * 2
    again = run("witness", *mine, "--copy", copy, "--output", carried)
    assert again.code == 3
    assert f"{carried}: exists already; nothing was signed" in again.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give either --socket or --copy"),
        (("--socket", "s", "--copy", "c"), "give either --socket or --copy"),
        (("--copy", "c"), "--copy and --output go together"),
        (("--socket", "s", "--output", "o"), "--copy and --output go together"),
        (("--copy", "c", "--output", "o", "--follow", "5"), "--follow needs --socket"),
        (("--socket", "s", "--follow", "0"), "Invalid value for '--follow'"),
    ],
)
def test_options_that_do_not_go_together(run: Run, mine: list[object], words: tuple[str, ...], said: str) -> None:
    ran = run("witness", *mine, *words)
    assert ran.code == 2
    assert said in ran.err


def test_no_state_folder(tmp_path: Path, run: Run, mine: list[object]) -> None:
    """It is not made unless asked, so that a disk that was not mounted is noticed."""
    ran = run("witness", *mine, "--socket", tmp_path / "none.sock")
    assert ran.code == 3
    assert f"{tmp_path / 'state'}: No such file or directory" in ran.err


def test_no_daemon(tmp_path: Path, run: Run, mine: list[object]) -> None:
    ran = run("witness", *mine, "--socket", tmp_path / "none.sock", "--begin")
    assert ran.code == 6
    assert "no socket there" in ran.err


def test_a_ledger_refused_ends_with_4(tmp_path: Path, log: Log, serve: Serve, run: Run, mine: list[object]) -> None:
    served = log.write(tmp_path / "served")
    path = served / "ledger/000002.outcome.cms"
    path.write_bytes(path.read_bytes()[:-1])
    ran = run("witness", *mine, "--socket", serve(served).path, "--begin")
    assert ran.code == 4
    assert ran.err.startswith("error: 000002.outcome.cms: ")


def test_a_daemon_that_does_not_know_the_witness(
    tmp_path: Path, log: Log, serve: Serve, run: Run, mine: list[object]
) -> None:
    server = serve(log.write(tmp_path / "served"))
    server.refuse = (400, "malformed_request")
    ran = run("witness", *mine, "--socket", server.path, "--begin")
    assert ran.code == 1
    assert "error: malformed_request" in ran.err


def test_following(tmp_path: Path, log: Log, serve: Serve, run: Run, mine: list[object]) -> None:
    """Looks again and again, waits for a daemon that does not answer, and ends with SIGTERM after a whole look."""
    server = serve(log.write(tmp_path / "first", 700))
    later = log.write(tmp_path / "second")

    def going_on(path: str) -> None:
        if path != "checkpoint":
            return
        looks = server.asked.count("checkpoint")
        if looks == 2:
            server.refuse = (503, "audit_unavailable")
        if looks == 3:
            server.refuse, server.folder = None, later
        if looks == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    server.before = going_on
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    ran = run("witness", *mine, "--socket", server.path, "--begin", "--follow", "1")
    assert signal.getsignal(signal.SIGTERM) is before
    assert ran.code == 0
    assert "no answer: audit_unavailable: audit_unavailable.; trying again in 1 s" in ran.err
    sizes = [parse_text(notes.parse(handed).text).size for handed in server.handed_in]
    assert sizes == [700, 1000, 1000]
    assert len(ran.out.splitlines()) == 3
    head = WitnessState(tmp_path / "state").read()
    assert head is not None
    assert head.size == 1000


def test_following_ends_with_an_alarm(tmp_path: Path, log: Log, serve: Serve, run: Run, mine: list[object]) -> None:
    server = serve(log.write(tmp_path / "first", 700))
    less = log.write(tmp_path / "less", 600)

    def going_back(path: str) -> None:
        if path == "checkpoint" and server.asked.count("checkpoint") == 2:
            server.folder = less

    server.before = going_back
    ran = run("witness", *mine, "--socket", server.path, "--begin", "--follow", "1")
    assert ran.code == 1
    assert "error: the log shrank" in ran.err


@pytest.mark.parametrize("data", [b"", b"no note", b"text\n\n\xe2\x80\x94 x AAAA\n"])
def test_delivering_what_is_none(tmp_path: Path, run: Run, data: bytes) -> None:
    path = tmp_path / "x.note"
    path.write_bytes(data)
    ran = run("deliver", path, "--socket", tmp_path / "none.sock")
    assert ran.code == 1
    assert ran.err.startswith("error: ")


def test_delivering_a_file_that_is_not_there(tmp_path: Path, run: Run) -> None:
    told = run("deliver", tmp_path / "nothing.note", "--socket", tmp_path / "none.sock")
    assert told.code == 3
    assert told.err.splitlines() == [
        f"error: {tmp_path}/nothing.note: is missing",
        "hint: name the file that `witness --copy … --output` wrote",
    ]


def test_accepted_for_nothing(tmp_path: Path, log: Log, serve: Serve, run: Run) -> None:
    """A daemon that says yes to something else has not taken it."""
    server = serve(log.write(tmp_path / "served"))
    path = tmp_path / "x.note"
    path.write_bytes(log.note())
    ran = run("deliver", path, "--socket", server.path)
    assert ran.code == 1
    assert "handed in for size 1000; the daemon accepted [] for size 1000" in ran.err


def test_every_command_has_help() -> None:
    for name, command in commands_of(oversight).items():
        assert command.help, name
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        assert [option.name for option in options if not option.help] == [], name
