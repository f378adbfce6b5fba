"""Who may look over TCP: whoever knows the key; and settings that are refused before anything listens."""

from __future__ import annotations

import base64
import os
import socket
import stat
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from deskkit import HOST, DeskProcess, written
from logkit import thousand
from serverkit import LogServer

from appliance import commandline
from appliance.desk.command import desk
from appliance.systemd import Manager
from appliance.web import serving


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_over_tcp_a_key_is_asked_for(place: Path) -> None:
    log, port = thousand(), _free_port()
    config = written(place, log.book.anchor, more='[access]\nkey_file = "desk.key"\n')
    text = config.read_text("utf-8").replace('socket = "desk.sock"', f'host = "127.0.0.1"\nport = {port}')
    config.write_text(text.replace(HOST, f"localhost:{port}"), "utf-8")
    with LogServer(place / "o.sock", log.write(place / "log")), DeskProcess(config, os.environ):
        key_file = place / "desk.key"
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        key = key_file.read_text().strip()
        for given in (None, f"desk:{key[:-1]}", f"other:{key}", key, "desk:"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                _open(port, given)
            assert refused.value.code == 401
            assert refused.value.headers["WWW-Authenticate"].startswith('Basic realm="kagimori desk"')
            assert b"access key" in refused.value.read()
        assert _open(port, f"desk:{key}") == 200


@pytest.fixture
def refused_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], str]:
    """What the command says when it cannot begin, in this process."""
    monkeypatch.setattr(serving, "prepare", Manager)  # others read this process

    def start(config: Path) -> str:
        assert commandline.run(desk, "appliance desk", ["serve", "--config", str(config)]) == 3
        return capsys.readouterr().err

    return start


def _open(port: int, given: str | None) -> int:
    headers = {"Accept-Language": "en", "Host": f"localhost:{port}"}  # a machine may not know the name
    request = urllib.request.Request(f"http://127.0.0.1:{port}/keys", headers=headers)
    if given is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(given.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=20) as response:
        return int(response.status)


def test_tcp_without_a_key_and_other_mistakes_are_refused(place: Path, refused_start: Callable[[Path], str]) -> None:
    log = thousand()
    config = written(place, log.book.anchor)
    good = config.read_text("utf-8")
    for text, message in (
        (good.replace('socket = "desk.sock"', 'host = "127.0.0.1"\nport = 8444'), "Expected a table `[access]`"),
        (good + "[page]\nlanguage = 'ja'\n", "unknown field `page`"),
        (good.replace("every_seconds = 1", "every_seconds = 0"), "[log.every_seconds]"),
        (good + '[pages]\ntimezone = "Mars/North"\n', "[pages.timezone] no such time zone: Mars/North"),
    ):
        config.write_text(text, "utf-8")
        assert message in refused_start(config)


def test_a_key_that_others_can_read_is_refused(place: Path, refused_start: Callable[[Path], str]) -> None:
    log = thousand()
    config = written(place, log.book.anchor, more='[access]\nkey_file = "desk.key"\n')
    key_file = place / "desk.key"
    key_file.write_text("abcdefghabcdefghabcdefghabcdefgh\n")
    key_file.chmod(0o640)
    assert "others may read it" in refused_start(config)
    key_file.chmod(0o600)
    key_file.write_text("short\n")
    assert "holds no access key" in refused_start(config)
