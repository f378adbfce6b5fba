"""The PIN as a systemd credential: one of two sources, found in the service's credentials folder, no less private."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.configuration import PinFileRefused, load, read_pin
from appliance.tomlfile import ConfigurationError
from keyceremony.commands.options import Where
from tests.world import PROJECT

NAME = "token-pin"
EXAMPLE = (PROJECT / "docs" / "configuration.md").read_text("utf-8").split("```toml\n")[1].split("```")[0]
FILE_LINE = 'pin_file = "appliance.pin"\n'
CREDENTIAL_LINE = f'pin_credential = "{NAME}"\n'


def configured(folder: Path, lines: str) -> Path:
    assert FILE_LINE in EXAMPLE
    path = folder / "kagimori.toml"
    path.write_text(EXAMPLE.replace(FILE_LINE, lines), "utf-8")
    return path


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemd makes for a service."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o500)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def put(folder: Path, mode: int = 0o400) -> Path:
    path = folder / NAME
    before = folder.stat().st_mode
    folder.chmod(0o700)
    path.write_text("314159\n", "ascii")
    path.chmod(mode)
    folder.chmod(before)
    return path


def test_the_credential_is_found_in_the_services_folder(tmp_path: Path, credentials: Path) -> None:
    path = put(credentials)
    token = load(configured(tmp_path, CREDENTIAL_LINE)).token
    assert token.pin_path == path
    assert read_pin(token.pin_path) == "314159"


@pytest.mark.parametrize("value", [None, ""])
def test_a_process_without_credentials_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if value is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", value)
    token = load(configured(tmp_path, CREDENTIAL_LINE)).token
    with pytest.raises(ConfigurationError) as caught:
        _ = token.pin_path
    assert caught.value.message == (
        "[token] pin_credential token-pin: this process was handed no credentials (CREDENTIALS_DIRECTORY is not set)"
    )
    assert caught.value.hint == ("start it as a systemd service with LoadCredential=token-pin:PATH, or set pin_file")


@pytest.mark.parametrize("lines", ["", FILE_LINE + CREDENTIAL_LINE])
def test_exactly_one_source(tmp_path: Path, lines: str) -> None:
    path = configured(tmp_path, lines)
    with pytest.raises(
        ConfigurationError, match=f"{path}: \\[token\\] Expected exactly one of `pin_file` and `pin_credential`"
    ):
        load(path)


@pytest.mark.parametrize("name", ["", "../pin", "a/b", ".pin", "a:b", "a b", "x" * 65])
def test_a_name_that_is_no_credentials(tmp_path: Path, name: str) -> None:
    path = configured(tmp_path, f'pin_credential = "{name}"\n')
    with pytest.raises(ConfigurationError, match=r"\[token.pin_credential\] Expected `str` matching regex"):
        load(path)


def test_a_credential_that_is_not_there(tmp_path: Path, credentials: Path) -> None:
    with pytest.raises(PinFileRefused, match=f"PIN file {credentials}/token-pin: No such file") as caught:
        read_pin(load(configured(tmp_path, CREDENTIAL_LINE)).token.pin_path)
    assert (
        caught.value.hint
        == "check the path on the command line, or [token] pin_file or pin_credential in the configuration"
    )


def seen_as_roots(monkeypatch: pytest.MonkeyPatch, group: int = 0) -> None:
    """What a service of a user of its own sees: systemd's file is root's."""
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        facts = list(real(descriptor))
        facts[4:6] = [0, group]
        return os.stat_result(facts)

    monkeypatch.setattr("os.fstat", fstat)


def test_the_mode_that_systemds_grant_to_a_user_shows_is_taken(
    credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_as_roots(monkeypatch)
    assert read_pin(put(credentials, 0o440)) == "314159"


@pytest.mark.parametrize("mode", [0o404, 0o444, 0o460, 0o640, 0o600 | 0o040, 0o450])
def test_no_other_mode_is(credentials: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    seen_as_roots(monkeypatch)
    with pytest.raises(PinFileRefused, match="group or others can read or write it"):
        read_pin(put(credentials, mode))


def test_nor_for_another_group_or_elsewhere(tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen_as_roots(monkeypatch)
    with pytest.raises(PinFileRefused, match="group or others can read or write it"):
        read_pin(put(tmp_path, 0o440))
    seen_as_roots(monkeypatch, group=27)
    with pytest.raises(PinFileRefused, match="group or others can read or write it"):
        read_pin(put(credentials, 0o440))


def test_people_are_asked_for_the_pin_that_a_service_is_handed(tmp_path: Path) -> None:
    config = configured(tmp_path, CREDENTIAL_LINE)
    assert Where(config=config).pin_file is None
    assert Where(config=config, pin_file_given=Path("mine")).pin_file == Path("mine")
    assert Where(config=configured(tmp_path, FILE_LINE)).pin_file == tmp_path / "appliance.pin"
