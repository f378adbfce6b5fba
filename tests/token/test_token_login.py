"""Logging in: which token, one attempt, and no PIN in any error."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from pkcs11 import TokenFlag
from softhsmkit import PIN, PROJECT

from appliance.token import Token, slots
from appliance.token.errors import (
    PinFinalTry,
    PinLocked,
    PinNeeded,
    PinWrong,
    TokenModuleError,
    TokenNotFound,
    TokenRefused,
    TokenUnavailable,
)

WRONG = "915284-wrong"


def test_facts_are_the_tokens_own(softhsm: Any, module: Path) -> None:
    serial = softhsm.init_token("facts", PIN)
    with Token.open(module, label="facts", serial=serial, pin=PIN) as token:
        assert token.facts.label == "facts"
        assert token.facts.serial == serial
        assert (token.facts.manufacturer, token.facts.model) == ("SoftHSM project", "SoftHSM v2")


def test_module_that_is_not_there() -> None:
    with pytest.raises(TokenModuleError, match=r"PKCS#11 module /no/such.so: there is no such file"):
        Token.open(Path("/no/such.so"), label="x", serial=None, pin=PIN)


def test_module_that_is_no_module(tmp_path: Path) -> None:
    text = tmp_path / "module.so"
    text.write_text("not a library")
    with pytest.raises(TokenModuleError, match=r"module\.so: cannot be used \(.*(too short|invalid ELF).*\)"):
        Token.open(text, label="x", serial=None, pin=PIN)


def test_no_token_named(module: Path, softhsm: Any) -> None:
    with pytest.raises(TokenNotFound, match="no token is named"):
        Token.open(module, label=None, serial=None, pin=PIN)


def test_no_such_label_tells_what_there_is(module: Path, label: str) -> None:
    with pytest.raises(TokenNotFound, match=rf"no token has label 'nobody'; present: .*{label}"):
        Token.open(module, label="nobody", serial=None, pin=PIN)


def test_serial_of_another_label(module: Path, label: str, softhsm: Any) -> None:
    serial = softhsm.init_token("another", PIN)
    with pytest.raises(TokenNotFound, match=f"no token has label '{label}' and serial number '{serial}'"):
        Token.open(module, label=label, serial=serial, pin=PIN)


def test_label_of_two_tokens_needs_the_serial(module: Path, softhsm: Any) -> None:
    serials = sorted(softhsm.init_token("twin", PIN) for _ in range(2))
    with pytest.raises(
        TokenNotFound, match=f"2 tokens have label 'twin', with the serial numbers {', '.join(serials)}"
    ):
        Token.open(module, label="twin", serial=None, pin=PIN)
    for serial in serials:
        with Token.open(module, label="twin", serial=serial, pin=PIN) as token:
            assert token.facts.serial == serial
        with Token.open(module, label=None, serial=serial, pin=PIN) as token:
            assert token.facts.serial == serial


def test_wrong_pin_is_named_and_not_shown(module: Path, label: str) -> None:
    with pytest.raises(PinWrong) as caught:
        Token.open(module, label=label, serial=None, pin=WRONG)
    error = caught.value
    assert f"token '{label}'" in error.message
    assert "wrong PIN; it was tried once" in error.message
    assert error.hint is not None
    assert "do not simply try again" in error.hint
    assert error.exit_code == 5
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert WRONG not in f"{error}{error!r}{error.args}"


def test_wrong_pin_is_in_no_frame_of_the_token_room(module: Path, label: str) -> None:
    def leaking() -> traceback.TracebackException:
        try:
            Token.open(module, label=label, serial=None, pin=bytes(WRONG[::-1], "ascii").decode()[::-1])
        except PinWrong as error:
            return traceback.TracebackException.from_exception(error, capture_locals=True)
        raise AssertionError("the wrong PIN was accepted")

    shown = leaking()
    ours = [frame for frame in shown.stack if "/appliance/token/" in frame.filename]
    assert ours
    assert not any(WRONG in value for frame in ours for value in (frame.locals or {}).values())
    assert WRONG not in "".join(shown.format(chain=True)).replace(f"{WRONG!r}[::-1]", "")


def test_wrong_pin_is_tried_once_says_a_spy_on_the_module(softhsm: Any, label: str, tmp_path: Path) -> None:
    """OpenSC's pkcs11-spy stands between Kagimori and SoftHSM and writes down every call."""
    calls = tmp_path / "calls"
    environment = {**softhsm.environment, "PKCS11SPY": str(softhsm.module), "PKCS11SPY_OUTPUT": str(calls)}
    script = (
        "import sys; from pathlib import Path; from appliance.token import Token\n"
        f"Token.open(Path({str(softhsm.pkcs11_spy)!r}), label={label!r}, serial=None, pin=sys.stdin.read())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], input=WRONG, env=environment, cwd=PROJECT, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "appliance.token.errors.PinWrong" in ended.stderr
    assert WRONG not in ended.stderr
    assert calls.read_text().count("C_Login\n") == 1
    assert calls.read_text().count("CKR_PIN_INCORRECT") == 1


def test_right_pin_still_works_after_a_wrong_one(module: Path, label: str) -> None:
    with pytest.raises(PinWrong):
        Token.open(module, label=label, serial=None, pin=WRONG)
    with Token.open(module, label=label, serial=None, pin=PIN) as token:
        assert token.key_ids() == []


def test_no_pin_given(module: Path, label: str) -> None:
    with pytest.raises(PinNeeded, match="no PIN was given"):
        Token.open(module, label=label, serial=None, pin="")


def test_token_without_user_pin(module: Path, softhsm: Any) -> None:
    softhsm.init_token("unset", None)
    with pytest.raises(PinNeeded, match="token 'unset' .*: no user PIN is set"):
        Token.open(module, label="unset", serial=None, pin=PIN)


class _Flagged:
    """A token with more flags than it has: SoftHSM never locks. Any attempt to log in is counted."""

    def __init__(self, token: Any, flags: TokenFlag) -> None:
        self._token = token
        self.flags = token.flags | flags
        self.attempts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._token, name)

    def open(self, **words: Any) -> Any:
        self.attempts += 1
        return self._token.open(**words)


def _flag(monkeypatch: pytest.MonkeyPatch, flags: TokenFlag) -> list[_Flagged]:
    found: list[_Flagged] = []
    find = slots.find

    def flagged(*words: Any) -> Any:
        found.append(_Flagged(find(*words), flags))
        return found[-1]

    monkeypatch.setattr(slots, "find", flagged)
    return found


@pytest.mark.parametrize(
    ("flag", "kind", "message"),
    [
        (TokenFlag.USER_PIN_LOCKED, PinLocked, "the PIN is locked"),
        (TokenFlag.USER_PIN_FINAL_TRY, PinFinalTry, "one more wrong PIN would lock it, so none is tried here"),
    ],
)
def test_locked_or_nearly_locked_is_not_tried(
    module: Path, label: str, monkeypatch: pytest.MonkeyPatch, flag: TokenFlag, kind: type[PinLocked], message: str
) -> None:
    found = _flag(monkeypatch, flag)
    with pytest.raises(kind, match=message):
        Token.open(module, label=label, serial=None, pin=PIN)
    assert [item.attempts for item in found] == [0]


def test_count_low_alone_is_tried_once(module: Path, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _flag(monkeypatch, TokenFlag.USER_PIN_COUNT_LOW)
    Token.open(module, label=label, serial=None, pin=PIN).close()
    assert [item.attempts for item in found] == [1]


def test_write_protected(module: Path, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _flag(monkeypatch, TokenFlag.WRITE_PROTECTED)
    with pytest.raises(TokenRefused, match="it is write-protected"):
        Token.open(module, label=label, serial=None, pin=PIN, writable=True)
    Token.open(module, label=label, serial=None, pin=PIN).close()


def test_second_login_of_one_process_is_refused(module: Path, label: str) -> None:
    with Token.open(module, label=label, serial=None, pin=PIN) as token:
        with pytest.raises(TokenRefused, match="log in: the token answered CKR_USER_ALREADY_LOGGED_IN") as caught:
            Token.open(module, label=label, serial=None, pin=PIN)
        assert caught.value.hint == "this process has the token open already"
        assert token.key_ids() == []


def test_two_tokens_at_once(module: Path, softhsm: Any) -> None:
    for name in ("left", "right"):
        softhsm.init_token(name, PIN)
    with Token.open(module, label="left", serial=None, pin=PIN, writable=True) as left:
        with Token.open(module, label="right", serial=None, pin=PIN, writable=True) as right:
            right.generate_conversion_key(b"r" * 16, "spin.1")
        left.generate_conversion_key(b"l" * 16, "spin.1")
        assert left.key_ids() == [b"l" * 16]


def test_closed_token_says_so(module: Path, label: str) -> None:
    token = Token.open(module, label=label, serial=None, pin=PIN)
    token.close()
    token.close()
    for call in (token.key_ids, token.certificates, lambda: token.check_value(b"k" * 16)):
        with pytest.raises(TokenUnavailable, match=f"token '{label}' .*: it was closed"):
            call()


def test_error_while_closing_does_not_hide_the_first(module: Path, label: str, softhsm: Any) -> None:
    with pytest.raises(RuntimeError, match="the first"), Token.open(module, label=label, serial=None, pin=PIN) as token:
        softhsm.close_all_sessions(label)
        raise RuntimeError("the first")
    token = Token.open(module, label=label, serial=None, pin=PIN)
    softhsm.close_all_sessions(label)
    with pytest.raises(TokenUnavailable, match=r"log out of .*the token is not available \(CKR_SESSION_HANDLE_INVALID"):
        token.close()
    with pytest.raises(TokenUnavailable, match="it was closed"):
        token.key_ids()
