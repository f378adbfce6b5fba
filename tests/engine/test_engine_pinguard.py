"""A refused PIN file is not tried again as long as it is the same one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine import pinguard
from appliance.engine.pinguard import PinRefusedBefore, PinUnguarded
from appliance.token.errors import PinLocked, PinWrong, TokenUnavailable


def pin_file(directory: Path, pin: str = "1111") -> Path:
    path = directory / "pin"
    path.write_text(pin + "\n", "ascii")
    return path


def test_nothing_is_held_against_a_new_pin_file(tmp_path: Path) -> None:
    pinguard.check(pinguard.marker(tmp_path), pin_file(tmp_path))


def test_a_refused_one_is_refused_until_it_changes(tmp_path: Path) -> None:
    path = pin_file(tmp_path)
    pinguard.remember(pinguard.marker(tmp_path), path)
    for _ in range(2):
        with pytest.raises(PinRefusedBefore, match="refused this PIN before; it was not tried again") as caught:
            pinguard.check(pinguard.marker(tmp_path), path)
        assert caught.value.exit_code == 5
        assert str(tmp_path / pinguard.FILE_NAME) in str(caught.value.hint)
    facts = path.stat()
    path.write_text("2222\n", "ascii")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    pinguard.check(pinguard.marker(tmp_path), path)


def test_what_one_token_refused_another_may_take(tmp_path: Path) -> None:
    path, clone = pin_file(tmp_path), pinguard.marker(tmp_path, "30b6e707d39dfcc7")
    pinguard.remember(clone, path)
    pinguard.check(pinguard.marker(tmp_path), path)
    pinguard.check(pinguard.marker(tmp_path, "30b6e707d39dfcc8"), path)
    with pytest.raises(PinRefusedBefore, match=f"PIN file {path}: the token refused this PIN before") as caught:
        pinguard.check(clone, path)
    assert str(caught.value.hint).endswith(f"remove {tmp_path}/pin-refused-30b6e707d39dfcc7")


@given(st.text(min_size=1, max_size=16), st.text(min_size=1, max_size=16))
def test_every_serial_number_has_a_marker_of_its_own_in_the_folder(one: str, other: str) -> None:
    folder = Path("/state")
    markers = {pinguard.marker(folder, one), pinguard.marker(folder, other), pinguard.marker(folder)}
    assert len(markers) == 2 + (one != other)
    assert {marker.parent for marker in markers} == {folder}


def test_a_login_that_worked_clears_it(tmp_path: Path) -> None:
    path = pin_file(tmp_path)
    pinguard.remember(pinguard.marker(tmp_path), path)
    pinguard.forget(pinguard.marker(tmp_path))
    pinguard.check(pinguard.marker(tmp_path), path)
    pinguard.forget(pinguard.marker(tmp_path))


def test_the_marker_says_nothing_about_the_pin(tmp_path: Path) -> None:
    markers = []
    for pin in ("1111", "99999999"):
        path = pin_file(tmp_path, pin)
        os.utime(path, ns=(0, 0))
        pinguard.remember(pinguard.marker(tmp_path), path)
        markers.append((tmp_path / pinguard.FILE_NAME).read_text("ascii").split())
    assert [part for part in markers[0][:3]] == [part for part in markers[1][:3]]
    assert all(word.isdigit() for word in markers[0])
    assert len(markers[0]) == 4


# --- the attempt itself ---------------------------------------------------------------------------------


class Died(BaseException):
    """What an engine that is killed in mid-login leaves undone."""


def attempt(directory: Path, path: Path, ends: BaseException | None = None, credential: str | None = None) -> None:
    with pinguard.one_attempt(pinguard.marker(directory), path, credential):
        if ends is not None:
            raise ends


def test_a_new_pin_without_an_answer_is_not_tried_again(tmp_path: Path) -> None:
    path = pin_file(tmp_path)
    with pytest.raises(Died):
        attempt(tmp_path, path, Died())
    for _ in range(2):
        with pytest.raises(
            PinRefusedBefore, match="gave no answer to this PIN before, and may have counted it"
        ) as caught:
            attempt(tmp_path, path)
        assert str(caught.value.hint).endswith(f"that it is the right PIN, then remove {tmp_path}/pin-refused")
    pinguard.marker(tmp_path).unlink()
    attempt(tmp_path, path)


def test_an_accepted_pin_may_go_without_an_answer_as_often_as_the_token_is_lost(tmp_path: Path) -> None:
    path = pin_file(tmp_path)
    attempt(tmp_path, path)
    for _ in range(5):
        with pytest.raises(Died):
            attempt(tmp_path, path, Died())
    attempt(tmp_path, path)


def test_what_was_accepted_is_the_file_and_not_the_next_one(tmp_path: Path) -> None:
    path = pin_file(tmp_path)
    attempt(tmp_path, path)
    path.write_text("2222\n", "ascii")
    os.utime(path, ns=(0, 0))
    with pytest.raises(Died):
        attempt(tmp_path, path, Died())
    with pytest.raises(PinRefusedBefore, match="gave no answer"):
        attempt(tmp_path, path)


def test_a_refused_pin_was_never_the_right_one_even_if_it_was_accepted_once(tmp_path: Path) -> None:
    path = pin_file(tmp_path)
    attempt(tmp_path, path)
    with pytest.raises(PinWrong):
        attempt(tmp_path, path, PinWrong("wrong PIN; it was tried once"))
    with pytest.raises(PinRefusedBefore, match="refused this PIN before"):
        attempt(tmp_path, path)
    pinguard.marker(tmp_path).unlink()
    with pytest.raises(Died):
        attempt(tmp_path, path, Died())
    with pytest.raises(PinRefusedBefore, match="gave no answer"):
        attempt(tmp_path, path)


@pytest.mark.parametrize("error", [TokenUnavailable("it is gone"), PinLocked("the PIN is locked")])
def test_another_answer_of_the_token_leaves_no_mark(tmp_path: Path, error: Exception) -> None:
    path = pin_file(tmp_path)
    with pytest.raises(type(error)):
        attempt(tmp_path, path, error)
    attempt(tmp_path, path)


def test_a_credential_that_was_accepted_is_known_by_its_name(tmp_path: Path) -> None:
    """It is another file at every start of the service."""
    path = pin_file(tmp_path)
    attempt(tmp_path, path, credential="token-pin")
    os.utime(path, ns=(0, 0))
    with pytest.raises(Died):
        attempt(tmp_path, path, Died(), credential="token-pin")
    attempt(tmp_path, path, credential="token-pin")


def test_a_new_pin_is_not_tried_if_that_cannot_be_written_down(tmp_path: Path) -> None:
    path, nowhere = pin_file(tmp_path), tmp_path / "nowhere"
    with pytest.raises(PinUnguarded, match="so the PIN was not tried") as caught:
        attempt(nowhere, path)
    assert caught.value.hint == "make the state directory writable for the engine, with room on its disk"
