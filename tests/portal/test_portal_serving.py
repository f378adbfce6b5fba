"""The portal as a process: what it refuses to start with, what it says when the appliance fails, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.portal import settings
from appliance.tomlfile import ConfigurationError
from tests.daemonkit import wait_for
from tests.portal.conftest import Stage
from tests.portal.portalkit import PortalProcess
from tests.servicekit import Manager
from tests.web.pagekit import free_port, toml
from tests.world import PROJECT

# a daemon that answers every history with one problem, or with what a file says
ANSWERS = """
import sys
from aiohttp import web
async def answer(request):
    kind, _, code = open(sys.argv[2]).read().partition(" ")
    if kind == "problem":
        status = 404 if code in ("unknown_number", "not_found") else 503
        return web.json_response({"code": code, "detail": "x"}, status=status, content_type="application/problem+json")
    return web.Response(body=code.encode(), content_type="application/json")
app = web.Application()
app.router.add_post("/v1/history", answer)
app.router.add_post("/v1/history/mark", answer)
web.run_app(app, path=sys.argv[1], print=None)
"""


class FalseDaemon:
    """Says what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.path, self._file = folder / "false.sock", folder / "answer"
        self._file.write_text("problem internal", encoding="utf-8")
        command = [sys.executable, "-c", ANSWERS, str(self.path), str(self._file)]
        self.process = subprocess.Popen(command)
        wait_for(self.path.exists, 30)

    def says(self, what: str) -> None:
        self._file.write_text(what, encoding="utf-8")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def false_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FalseDaemon]:
    one = FalseDaemon(tmp_path_factory.mktemp("f"))
    yield one
    one.end()


@pytest.fixture(scope="module")
def misled(stage: Stage, false_daemon: FalseDaemon) -> Iterator[PortalProcess]:
    """A portal whose appliance is not what it should be."""
    with PortalProcess(stage.scene, "misled", appliance={"socket": str(false_daemon.path)}) as portal:
        yield portal


@pytest.mark.parametrize(
    ("code", "status", "told", "wait"),
    [
        ("rate_limited", 503, "ただいま混み合っています", "60"),
        ("quota_exhausted", 503, "ただいま混み合っています", "60"),
        ("index_behind", 503, "記録の索引を更新しています", "10"),
        ("audit_unavailable", 503, "ただいま履歴を表示できません", "60"),
        ("token_unavailable", 503, "ただいま履歴を表示できません", "60"),
        ("stopping", 503, "ただいま履歴を表示できません", "60"),
        ("pair_denied", 503, "ただいま履歴を表示できません", "60"),
        ("unknown_number", 500, "登録された番号で照会できません", None),
    ],
)
def test_what_a_citizen_is_told_when_the_appliance_refuses(
    stage: Stage, misled: PortalProcess, false_daemon: FalseDaemon, code: str, status: int, told: str, wait: str | None
) -> None:
    false_daemon.says(f"problem {code}")
    citizen = misled.citizen()
    page = citizen.sign_in(stage.scene.cards.cards["rsa"])
    assert (page.status, page.headers.get("retry-after")) == (status, wait)
    assert told in page.words
    assert citizen.get("/export.json").status == status
    assert f'appliance refused code="{code}"' in misled.log
    assert stage.scene.numbers["rsa"] not in misled.log


@pytest.mark.parametrize("answer", ["", "{}", "[]", '{"source":"sspin.A.1"}', "<html>"])
def test_an_answer_that_is_none(stage: Stage, misled: PortalProcess, false_daemon: FalseDaemon, answer: str) -> None:
    false_daemon.says(f"answer {answer}")
    page = misled.citizen().sign_in(stage.scene.cards.cards["rsa"])
    assert page.status == 502
    assert "ただいま履歴を表示できません" in page.words
    assert "Traceback" not in misled.log


def _true_answer(stage: Stage) -> dict[str, Any]:
    question = {"source": "common", "number": stage.scene.numbers["rsa"], "reference": "a test"}
    reply = stage.daemon.ask(
        "portal", "POST", "/v1/history", json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    assert reply.status == 200
    return dict(reply.json)


def test_a_daemon_that_lies_about_one_record(stage: Stage, misled: PortalProcess, false_daemon: FalseDaemon) -> None:
    """The others stay proven; the one is shown as what it is, everywhere, with whom to tell."""
    said = _true_answer(stage)
    said["conversions"][1] |= {"purpose": "tax-assessment", "time": "no time"}
    record = said["conversions"][1]["record"]
    false_daemon.says(f"answer {json.dumps(said)}")
    citizen = misled.citizen(language="en")
    page = citizen.sign_in(stage.scene.cards.cards["rsa"])
    assert page.status == 200
    assert "Some records are not proven (1)" in page.words
    assert page.text.count("NOT PROVEN</span>") == 1  # and once in the summary, with the number
    assert "oversight body, phone 000-0000" in page.words
    assert "Proven and co-signed" in page.words
    assert citizen.get("/export").words.count("NOT PROVEN") == 1
    assert citizen.get("/history?since=2026-01-01&until=2026-01-02").words.count("NOT PROVEN") == 2
    said["conversions"] = said["conversions"][1:2]
    false_daemon.says(f"answer {json.dumps(said)}")
    page = citizen.get(f"/history/{record}")
    assert 'role="alert"' in page.text
    assert "What you see here may be wrong." in page.words


def test_a_daemon_whose_tree_nobody_signed(stage: Stage, misled: PortalProcess, false_daemon: FalseDaemon) -> None:
    said = _true_answer(stage)
    larger = {"cosigned": {**said["cosigned"], "size": said["cosigned"]["size"] + 1}}
    for change in ({"size": 7}, {"cosigned": None, "checkpoint": "x"}, larger):
        false_daemon.says(f"answer {json.dumps(said | change)}")
        page = misled.citizen(language="en").sign_in(stage.scene.cards.cards["rsa"])
        assert "The audit log itself could not be verified" in page.words
        assert "Proven and co-signed" not in page.words


def test_a_daemon_that_shows_somebody_elses_record_for_the_one_asked_for(
    stage: Stage, misled: PortalProcess, false_daemon: FalseDaemon
) -> None:
    said = _true_answer(stage)
    false_daemon.says(f"answer {json.dumps(said | {'conversions': said['conversions'][:1]})}")
    citizen = misled.citizen()
    citizen.sign_in(stage.scene.cards.cards["rsa"])
    assert citizen.get(f"/history/{said['conversions'][1]['record']}").status == 404


def test_a_daemon_that_never_ends_its_history(stage: Stage, misled: PortalProcess, false_daemon: FalseDaemon) -> None:
    false_daemon.says(f"answer {json.dumps(_true_answer(stage) | {'conversions': [], 'before': 5})}")
    citizen = misled.citizen()
    citizen.sign_in(stage.scene.cards.cards["rsa"])
    assert citizen.get("/export").status == 200
    assert citizen.get("/history?sector=sspin.F").status == 200


def test_no_daemon_at_all(stage: Stage, tmp_path: Path) -> None:
    with PortalProcess(stage.scene, "alone", appliance={"socket": str(tmp_path / "none.sock")}) as portal:
        citizen = portal.citizen()
        page = citizen.sign_in(stage.scene.cards.cards["rsa"])
        assert (page.status, page.headers["retry-after"]) == (503, "30")
        assert "記録が失われたわけではありません。" in page.words
        assert citizen.get("/").status == 200
        assert "appliance not reachable" in portal.log
        assert portal.stop() == 0
        assert portal.log.splitlines()[-1].endswith(" stopping")


def test_the_journal_cannot_be_written(stage: Stage, tmp_path: Path) -> None:
    """Then nobody is let in."""
    folder = tmp_path / "j"
    folder.mkdir()
    with PortalProcess(stage.scene, "unwritten", files={"journal": str(folder / "j.jsonl")}) as portal:
        (folder / "j.jsonl").unlink()
        folder.rmdir()
        page = portal.citizen().sign_in(stage.scene.cards.cards["rsa"])
        assert page.status == 503
        assert "ただいまログインできません" in page.words
        assert "Traceback" not in portal.log


def test_nobody_reads_its_memory(stage: Stage) -> None:
    process = stage.portal.process
    assert process is not None
    limits = Path(f"/proc/{process.pid}/limits").read_text("ascii")
    assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4:6] == [
        "0",
        "0",
    ]
    if os.geteuid():
        with pytest.raises(PermissionError):
            Path(f"/proc/{process.pid}/environ").read_bytes()


def test_behind_a_proxy_and_under_systemd(stage: Stage, tmp_path: Path) -> None:
    """A Unix socket for its group; readiness is told; SIGINT ends it and takes the socket away."""
    path = tmp_path / "web.sock"
    manager = Manager(tmp_path)
    settings = stage.scene.settings(1)
    settings["listen"] = {"origin": "https://portal.example", "socket": str(path)}
    file = stage.scene.folder / "proxied.toml"
    file.write_text(toml(settings), encoding="utf-8")
    command = [sys.executable, "-m", "appliance.cli", "portal", "serve", "--config", str(file)]
    with subprocess.Popen(command, env={**os.environ, **manager.environment}, stderr=subprocess.DEVNULL) as process:
        manager.wait_for("READY=1")
        assert path.stat().st_mode & 0o777 == 0o660
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(path))
            one.sendall(b"GET /sign-in HTTP/1.1\r\nHost: portal.example\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: one.recv(65_536), b"")).decode()
        assert "HTTP/1.1 200 OK" in answer
        assert "Strict-Transport-Security: max-age=31536000" in answer
        assert "Set-Cookie: __Host-session=" in answer and "Secure" in answer
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert manager.count("STOPPING=1") == 1
    assert not path.exists()


REFUSED = [
    ("listen", {"origin": "http://portal.example"}, "[listen] Expected `https://`"),
    ("listen", {"host": "0.0.0.0"}, "[listen] Expected a `certificate` and `key`"),
    ("listen", {"host": "localhost"}, "[listen] Expected `host` to be an address"),
    ("listen", {"port": 0}, "[listen.port] Expected `int` >= 1"),
    ("listen", {"socket": "x"}, "[listen] Expected exactly one of `socket` and `host`"),
    ("log", {"keys": []}, "[log.keys] Expected `array` of length >= 1"),
    ("log", {"witnesses": []}, "[log.witnesses] Expected `array` of length >= 1"),
    ("log", {"keys": ["nonsense"]}, "[log] Expected verifier keys: "),
    ("cards", {"holders": 5}, "[cards.holders] Expected a path"),
    ("cards", {"extra": 1}, "[cards] Object contains unknown field `extra`"),
    ("page", {"language": "fr"}, "[page.language] Invalid enum value 'fr'"),
    ("page", {"contact": {"ja": "x"}}, "[page.contact] Object missing required field `en`"),
    ("purposes", {"x": {"ja": "x"}}, "[purposes[...]] Object missing required field `en`"),
]


@pytest.mark.parametrize(("table", "values", "message"), REFUSED)
def test_a_configuration_that_cannot_be(stage: Stage, table: str, values: dict[str, Any], message: str) -> None:
    file = stage.scene.folder / "refused.toml"
    file.write_text(toml(stage.scene.settings(free_port(), **{table: values})), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refusal:
        settings.load(file)
    assert refusal.value.message.startswith(f"{file}: {message}")
    assert refusal.value.hint == "docs/portal.md lists every key"


def test_a_start_that_is_refused_is_one_line(stage: Stage, tmp_path: Path) -> None:
    """By the command, as a process: a file it rests on is missing, the address is taken."""
    cases = [
        ({"cards": {"holders": str(tmp_path / "none")}}, "none"),
        ({"listen": {"port": stage.portal.port}}, "Address already in use"),
    ]
    for changes, word in cases:
        file = stage.scene.folder / "refused.toml"
        file.write_text(toml(stage.scene.settings(free_port(), **changes)), encoding="utf-8")
        command = [sys.executable, "-m", "appliance.cli", "portal", "serve", "--config", str(file)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 3, done.stderr
        lines = [line for line in done.stderr.splitlines() if "running as root" not in line]
        assert lines[0].startswith("error: ") and word in lines[0]
        assert len(lines) <= 2
