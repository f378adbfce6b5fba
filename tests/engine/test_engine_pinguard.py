"""A refused PIN file is not tried again as long as it is the same one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.engine import pinguard
from appliance.engine.pinguard import PinRefusedBefore


def pin_file(directory: Path, pin: str = "1111") -> Path:
    path = directory / "pin"
    path.write_text(pin + "\n", "ascii")
    return path


def test_nothing_is_held_against_a_new_pin_file(tmp_path: Path) -> None:
    pinguard.check(tmp_path, pin_file(tmp_path))


def test_a_refused_one_is_refused_until_it_changes(tmp_path: Path) -> None:
    path = pin_file(tmp_path)
    pinguard.remember(tmp_path, path)
    for _ in range(2):
        with pytest.raises(PinRefusedBefore, match="refused this PIN before; it was not tried again") as caught:
            pinguard.check(tmp_path, path)
        assert caught.value.exit_code == 5
        assert str(tmp_path / pinguard.FILE_NAME) in str(caught.value.hint)
    facts = path.stat()
    path.write_text("2222\n", "ascii")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    pinguard.check(tmp_path, path)


def test_a_login_that_worked_clears_it(tmp_path: Path) -> None:
    path = pin_file(tmp_path)
    pinguard.remember(tmp_path, path)
    pinguard.forget(tmp_path)
    pinguard.check(tmp_path, path)
    pinguard.forget(tmp_path)


def test_the_marker_says_nothing_about_the_pin(tmp_path: Path) -> None:
    markers = []
    for pin in ("1111", "99999999"):
        path = pin_file(tmp_path, pin)
        os.utime(path, ns=(0, 0))
        pinguard.remember(tmp_path, path)
        markers.append((tmp_path / pinguard.FILE_NAME).read_text("ascii").split())
    assert [part for part in markers[0][:3]] == [part for part in markers[1][:3]]
    assert all(word.isdigit() for word in markers[0])
    assert len(markers[0]) == 4
