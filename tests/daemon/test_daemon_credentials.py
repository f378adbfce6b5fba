"""The daemon gets the token's PIN as a systemd credential, or from a file of mode 0400."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemonkit import Daemon
from tests.world import World

NAME = "token-pin"


@pytest.fixture
def credentials(small: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service's folder with the PIN in it, as systemd makes one, and a configuration that names the credential."""
    text = small.config.read_text("utf-8")
    assert 'pin_file = "pin"' in text
    small.config.write_text(text.replace('pin_file = "pin"', f'pin_credential = "{NAME}"'), "utf-8")
    small.pin_file.unlink()
    folder = small.folder / "credentials"
    folder.mkdir(mode=0o700)
    hand_over(folder, small.pin)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def hand_over(folder: Path, pin: str) -> None:
    """A new file, as at every start of a service."""
    (folder / NAME).unlink(missing_ok=True)
    (folder / NAME).write_text(pin, "ascii")
    (folder / NAME).chmod(0o400)


def refused(world: World, code: int, *said: str) -> None:
    with Daemon(world).launch() as daemon:
        assert daemon.wait() == code, daemon.log
        for text in said:
            assert text in daemon.log
        assert "Traceback" not in daemon.log


def test_it_serves_with_a_credential(small: World, credentials: Path) -> None:
    with Daemon(small) as daemon:
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
        assert small.pin not in daemon.log


def test_it_serves_with_a_pin_file_of_mode_0400(small: World) -> None:
    small.pin_file.chmod(0o400)
    with Daemon(small) as daemon:
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_it_does_not_start_where_no_credentials_are_handed_over(
    small: World, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    refused(
        small, 3, f"[token] pin_credential {NAME}: this process was handed no credentials", "LoadCredential=token-pin"
    )


def test_a_credential_that_others_can_read_is_refused(small: World, credentials: Path) -> None:
    (credentials / NAME).chmod(0o444)
    refused(small, 3, f"{NAME}: group or others can read or write it")


def test_a_wrong_credential_is_tried_once_though_every_start_makes_a_new_file(small: World, credentials: Path) -> None:
    hand_over(credentials, "99999999")
    refused(small, 5, "wrong PIN; it was tried once")
    for pin in ("99999999", small.pin):
        hand_over(credentials, pin)
        refused(
            small,
            5,
            "the token refused this PIN before; it was not tried again",
            f"correct the credential {NAME}, then remove ",
        )
    (small.folder / "state" / "pin-refused").unlink()
    with Daemon(small) as daemon:
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
