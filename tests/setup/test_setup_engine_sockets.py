"""The configuration of engines that systemd starts: all tokens' or none, a user who is served, no socket twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.configuration import load
from appliance.tomlfile import ConfigurationError
from tests.world import PROJECT

EXAMPLE = (PROJECT / "docs" / "configuration.md").read_text("utf-8").split("```toml\n")[1].split("```")[0]
ENGINE = '\n[engine]\nsocket = "engine.sock"\ndaemon_user = "kagimori"\n'
CLONE = '\n[[clone]]\nlabel = "kagimori-clone-1"\npin_file = "clone-1.pin"\n'


def configured(folder: Path, *tables: str) -> Path:
    path = folder / "kagimori.toml"
    path.write_text(EXAMPLE + "".join(tables), "utf-8")
    return path


def test_without_a_socket_the_daemon_starts_them(tmp_path: Path) -> None:
    assert [token.socket for token in load(configured(tmp_path, CLONE)).tokens] == [None, None]


def test_every_token_has_a_socket_of_its_own(tmp_path: Path) -> None:
    config = load(configured(tmp_path, ENGINE, CLONE, 'socket = "clone-1.sock"\n'))
    assert [token.socket for token in config.tokens] == [tmp_path / "engine.sock", tmp_path / "clone-1.sock"]
    assert config.engine.daemon_user == "kagimori"


@pytest.mark.parametrize("line", ['socket = "engine.sock"\n', 'daemon_user = "kagimori"\n'])
def test_a_socket_needs_a_user(tmp_path: Path, line: str) -> None:
    path = configured(tmp_path, "\n[engine]\n", line)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert caught.value.message == f"{path}: [engine] socket and daemon_user: one is there without the other"
    assert caught.value.hint == "engines that systemd starts serve one user alone: that of `appliance serve`"


@pytest.mark.parametrize("tables", [(ENGINE, CLONE), (CLONE, 'socket = "clone-1.sock"\n')])
def test_all_tokens_engines_or_none(tmp_path: Path, tables: tuple[str, ...]) -> None:
    path = configured(tmp_path, *tables)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert caught.value.message == (
        f"{path}: [clone.socket] kagimori-clone-1: systemd starts the engines of every token, or of none"
    )


def test_no_socket_is_there_twice(tmp_path: Path) -> None:
    path = configured(tmp_path, ENGINE, CLONE, 'socket = "engine.sock"\n')
    with pytest.raises(ConfigurationError, match=r"\[clone.socket\] .*engine.sock is there twice"):
        load(path)
    path = configured(tmp_path, ENGINE.replace("engine.sock", "run/hub.sock"))
    with pytest.raises(ConfigurationError, match=r"\[engine.socket\] .*run/hub.sock is there twice"):
        load(path)


def test_a_path_that_no_socket_can_have(tmp_path: Path) -> None:
    path = configured(tmp_path, ENGINE.replace("engine.sock", "x" * 108))
    with pytest.raises(ConfigurationError, match=r"\[engine.socket\] \S+ has more than 107 bytes"):
        load(path)
