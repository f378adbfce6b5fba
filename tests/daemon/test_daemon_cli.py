"""``appliance convert`` and ``status`` as a person or a script uses them: output, errors, exit codes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import cli, status_command
from tests.daemonkit import Daemon, codes, stream_path
from tests.world import softhsm

WHY = ("--purpose", "exchange", "--reference", "a test")


def appliance(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", *arguments], input=stdin or b"", capture_output=True, timeout=60
    )
    assert b"Traceback" not in done.stderr
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def hub(served: Daemon) -> str:
    return str(served.world.socket("hub"))


def test_numbers_as_arguments(served: Daemon, hub: str) -> None:
    in_a = served.numbers("resident", "sspin.A", codes(3), role="numbering")
    in_b = served.numbers("sspin.A", "sspin.B", in_a)
    done = appliance("convert", "sspin.A", "sspin.B", *in_a, *WHY, "--socket", hub)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, in_b, "")


def test_numbers_on_standard_input_are_a_stream(served: Daemon, hub: str) -> None:
    in_a = served.numbers("resident", "sspin.A", codes(10_000), role="numbering")
    in_b = served.numbers("resident", "sspin.B", codes(10_000), role="numbering")
    lines = "".join(number + "\n" for number in in_a).encode()
    done = appliance("convert", "sspin.A", "sspin.B", *WHY, "--socket", hub, stdin=lines * 5)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, in_b * 5, "")
    assert served.records()[-1]["kind"] == "stream_closed"


@pytest.mark.parametrize("by", ["arguments", "stdin"])
def test_a_failed_number_keeps_its_place_and_is_named(served: Daemon, hub: str, by: str) -> None:
    (good,) = served.numbers("resident", "sspin.A", codes(1), role="numbering")
    (right,) = served.numbers("sspin.A", "sspin.B", [good])
    asked = [good, "ABC98765XYZ", "nonsense", good]
    given = (asked, None) if by == "arguments" else ([], "\n".join(asked).encode())
    done = appliance("convert", "sspin.A", "sspin.B", *given[0], *WHY, "--socket", hub, stdin=given[1])
    assert done.returncode == 1
    assert done.stdout.splitlines() == [right, "!unknown_number", "!malformed_number", right]
    assert done.stderr.splitlines() == ["number 2: !unknown_number", "number 3: !malformed_number"]


def test_a_number_typed_at_a_terminal_is_answered_at_once(served: Daemon, hub: str) -> None:
    (good,) = served.numbers("resident", "sspin.A", codes(1), role="numbering")
    (right,) = served.numbers("sspin.A", "sspin.B", [good])
    keyboard, terminal = pty.openpty()
    command = [sys.executable, "-m", "appliance.cli", "convert", "sspin.A", "sspin.B", *WHY, "--socket", hub]
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as typed:
        os.close(terminal)
        assert typed.stdout
        assert typed.stderr
        assert typed.stderr.readline() == "One number a line, each answered at once; Ctrl-D ends.\n"
        for number, answer in ((good, right), ("nonsense", "!malformed_number"), (good, right)):
            os.write(keyboard, number.encode() + b"\n")
            assert typed.stdout.readline() == answer + "\n"
        os.write(keyboard, b"\x04")
        assert typed.wait(30) == 1
        assert typed.stderr.read() == ""
    os.close(keyboard)


def test_many_failures_are_counted(hub: str) -> None:
    done = appliance("convert", "sspin.A", "sspin.B", *WHY, "--socket", hub, stdin=b"?\n" * 1000)
    assert done.returncode == 1
    assert done.stdout == "!malformed_number\n" * 1000
    assert len(done.stderr.splitlines()) == 11
    assert done.stderr.splitlines()[-1] == "1000 of 1000 numbers failed: 1000 malformed_number"


def test_json_is_the_daemons_answer(hub: str) -> None:
    done = appliance("convert", "sspin.A", "sspin.B", "?", "--json", *WHY, "--socket", hub)
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert (said["source"], said["target"], said["results"]) == (
        *("sspin.A.1", "sspin.B.1"),
        [{"error": "malformed_number"}],
    )
    read = appliance("convert", "sspin.A", "sspin.B", "--json", *WHY, "--socket", hub, stdin=b"?\n?\n")
    assert len(json.loads(read.stdout)["results"]) == 2


def test_a_refusal_is_one_clear_line(hub: str) -> None:
    done = appliance("convert", "sspin.A", "resident", "x", *WHY, "--socket", hub)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: pair_denied: This role may not convert between these two. GET /v1/domains lists the pairs it may.\n"
    )
    streamed = appliance("convert", "sspin.A", "resident", *WHY, "--socket", hub, stdin=b"x\n")
    assert (streamed.returncode, streamed.stdout, streamed.stderr) == (1, "", done.stderr)


def test_a_stream_that_broke_is_not_taken_for_complete(served: Daemon) -> None:
    short = str(served.world.socket("short"))
    done = appliance("convert", "sspin.A", "sspin.B", *WHY, "--socket", short, stdin=b"?\n" * 60_000)
    assert done.returncode == 1
    assert 0 < len(done.stdout.splitlines()) <= 20_000
    assert set(done.stdout.splitlines()) == {"!malformed_number"}
    assert "too_many_numbers" in done.stderr


def test_curl_sees_that_a_stream_broke(served: Daemon, tmp_path: Path) -> None:
    curl = str(softhsm()["KAGIMORI_CURL"])
    (tmp_path / "numbers").write_bytes(b"?\n" * 60_000)
    url = "http://kagimori" + stream_path("sspin.A", "sspin.B", "exchange")
    where = ["--unix-socket", str(served.world.socket("short")), "-H", "Content-Type: text/plain"]
    done = subprocess.run(
        [curl, "-sS", *where, "-T", str(tmp_path / "numbers"), "-X", "POST", url], capture_output=True, timeout=60
    )
    assert done.returncode == 18, "curl: partial file"
    *lines, last = done.stdout.splitlines()
    assert last == b"!!too_many_numbers"
    assert 0 < len(lines) <= 20_000


def test_status_for_people_and_for_scripts(served: Daemon, hub: str) -> None:
    done = appliance("status", "--socket", hub)
    assert done.returncode == 0
    first, *rest = done.stdout.splitlines()
    assert first == "ready"
    assert [line.split()[0] for line in rest] == ["role", "version", "ledger", "token", "engines", "audit"]
    assert "1 of 1 serving" in done.stdout
    said = json.loads(appliance("status", "--json", "--socket", hub).stdout)
    assert said["ledger"]["head"] == served.world.state().head


def test_nobody_listens(tmp_path: Path) -> None:
    for arguments in (("status",), ("convert", "sspin.A", "sspin.B", "x", *WHY)):
        done = appliance(*arguments, "--socket", str(tmp_path / "hub.sock"))
        assert done.returncode == 6
        assert done.stderr.splitlines()[0] == f"error: {tmp_path / 'hub.sock'}: No such file or directory"
        assert "appliance serve" in done.stderr.splitlines()[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Usage:"),
        (("convert",), "Missing argument 'SOURCE'"),
        (("convert", "sspin.A", "sspin.B", "x"), "Missing option"),
        (("status",), "Missing option '--socket'"),
        (("serve",), "Missing option '--config'"),
        (("serve", "--port", "80"), "No such option"),
        (("fly",), "No such command 'fly'"),
    ],
)
def test_wrong_usage(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str) -> None:
    monkeypatch.delenv("KAGIMORI_SOCKET", raising=False)
    done = appliance(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_help_names_exit_codes() -> None:
    done = appliance("--help")
    assert done.returncode == 0
    for code in (0, 1, 2, 3, 4, 5, 6, 70):
        assert f"{code} " in done.stdout.split("Exit codes:")[1]


def test_a_defect_shows_no_values(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(path: Path) -> None:
        raise RuntimeError("ABC98765XYZ")

    monkeypatch.setattr(status_command, "Client", broken)
    assert cli.run(["status", "--socket", "x"]) == 70
    said = capsys.readouterr().err
    assert said.startswith("error: a defect in Kagimori: RuntimeError in broken, line ")
    assert "ABC98765XYZ" not in said
