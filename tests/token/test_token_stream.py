"""The unending operation: right for any size, dead after any trouble, never stale."""

from __future__ import annotations

import ctypes
import gc
import secrets
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pkcs11
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from softhsmkit import PIN, PROJECT

from appliance.numbers.blocks import WORDS, Rows
from appliance.token import Token
from appliance.token.calls import require_ok
from appliance.token.errors import CheckValueMismatch, TokenRefused, TokenUnavailable, code_name
from appliance.token.stream import LARGEST, BlockStream, check_value_of

KEY = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")


def software_aes(blocks: bytes, key: bytes = KEY) -> bytes:
    encryptor = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


@pytest.fixture
def known(token: Token) -> BlockStream:
    return token.import_session_key(KEY)


def test_known_answer(known: Callable[[bytes], bytes]) -> None:
    """NIST SP 800-38A, F.1.5, the first block."""
    assert known(bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")).hex() == "f3eed1bdb5d2a03c064b5a7e3db181f8"


def test_twenty_thousand_random_blocks_equal_software_aes(known: Callable[[bytes], bytes]) -> None:
    blocks = secrets.token_bytes(20_000 * 16)
    assert known(blocks) == software_aes(blocks)
    one_by_one = b"".join(known(blocks[start : start + 16]) for start in range(0, 2_000 * 16, 16))
    assert one_by_one == software_aes(blocks)[: 2_000 * 16]


@pytest.mark.parametrize("again", [False, True])
def test_one_block_at_a_time_is_the_same_aes(known: BlockStream, again: bool) -> None:
    encrypt = known.one(again=again)
    for _ in range(2_000):
        block = secrets.token_bytes(16)
        assert encrypt(block) == software_aes(block)


@pytest.mark.parametrize("size", [0, 1, 15, 17, 32])
@pytest.mark.parametrize("again", [False, True])
def test_what_is_not_one_block_is_a_defect_and_harms_nothing(known: BlockStream, size: int, again: bool) -> None:
    encrypt = known.one(again=again)
    with pytest.raises(ValueError, match=f"{size} bytes are not one block of 16"):
        encrypt(bytes(size))
    assert encrypt(bytes(16)) == software_aes(bytes(16))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(0, 300), min_size=1, max_size=8), kind=st.sampled_from([bytes, bytearray, memoryview])
)
@example(counts=[8191, 8192, 8193, 1], kind=bytes)
@example(counts=[16384, 1, 16385, 0, 1], kind=bytearray)
def test_any_sizes_in_any_order(known: Callable[[bytes], bytes], counts: list[int], kind: type) -> None:
    for count in counts:
        blocks = secrets.token_bytes(16 * count)
        assert known(kind(blocks)) == software_aes(blocks)


@pytest.mark.parametrize("size", [1, 15, 17, LARGEST + 1, LARGEST * 2 + 15])
def test_broken_blocks_are_a_defect_and_harm_nothing(known: Callable[[bytes], bytes], size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are not whole blocks of 16"):
        known(bytes(size))
    assert known(bytes(16)) == software_aes(bytes(16))


@pytest.mark.parametrize("what", [16, "sixteen letters.", None])
def test_what_is_not_bytes_is_refused_and_harms_nothing(known: Callable[[Any], bytes], what: Any) -> None:
    with pytest.raises(TypeError):
        known(what)
    assert known(bytes(16)) == software_aes(bytes(16))


def test_generated_key_encrypts_as_its_check_value_says(token: Token) -> None:
    key_id = secrets.token_bytes(16)
    token.generate_conversion_key(key_id, "spin.1")
    check_value = token.check_value(key_id)
    encrypt = token.encrypt_blocks(key_id, check_value)
    assert check_value_of(encrypt(b"kagimori/kcv/v1\x00")) == check_value


def test_check_value_of_a_known_key(token: Token, plant: Callable[..., Any]) -> None:
    r"""As `printf 'kagimori/kcv/v1\0' | openssl enc -aes-256-ecb -nopad -K … | sha256sum` says."""
    plant(b"known" + bytes(11), KEY)
    assert token.check_value(b"known" + bytes(11)).hex() == "dfed19783a42"


def test_streams_of_several_keys_run_side_by_side(token: Token) -> None:
    keys = [secrets.token_bytes(32) for _ in range(8)]
    streams = [token.import_session_key(key) for key in keys]
    for _ in range(50):
        blocks = secrets.token_bytes(48)
        assert [stream(blocks) for stream in streams] == [software_aes(blocks, key) for key in keys]


def test_refused_stream_leaves_login_and_other_streams_alone(token: Token, known: Callable[[bytes], bytes]) -> None:
    key_id = secrets.token_bytes(16)
    token.generate_conversion_key(key_id, "spin.1")
    for _ in range(20):
        with pytest.raises(CheckValueMismatch):
            token.encrypt_blocks(key_id, bytes(6))
    assert token.key_ids() == [key_id]
    assert known(bytes(16)) == software_aes(bytes(16))


def test_key_destroyed_elsewhere_is_noticed_at_the_latest_when_opened_again(token: Token) -> None:
    key_id = secrets.token_bytes(16)
    token.generate_conversion_key(key_id, "spin.1")
    check_value = token.check_value(key_id)
    encrypt = token.encrypt_blocks(key_id, check_value)
    before = encrypt(bytes(16))
    token.destroy(key_id)
    assert encrypt(bytes(16)) == before


def test_lost_session_kills_the_stream_for_good(softhsm: Any, label: str) -> None:
    token = Token.open(softhsm.module, label=label, serial=None, pin=PIN)
    known = token.import_session_key(KEY)
    assert known(bytes(16)) == software_aes(bytes(16))
    softhsm.close_all_sessions(label)
    words = r"encrypt blocks: the token is not available \(CKR_SESSION_HANDLE_INVALID\)"
    with pytest.raises(TokenUnavailable, match=words):
        known(bytes(16))
    for _ in range(3):
        with pytest.raises(TokenUnavailable, match="encrypt blocks: the operation has ended"):
            known(bytes(16))
    with pytest.raises(TokenUnavailable, match="log out"):
        token.close()


def test_closing_the_token_ends_its_streams(module: Path, label: str) -> None:
    with Token.open(module, label=label, serial=None, pin=PIN) as token:
        encrypt = token.import_session_key(KEY)
        encrypt(bytes(32))
    with pytest.raises(TokenUnavailable, match="the operation has ended"):
        encrypt(bytes(32))


class _Module:
    """A running operation that encrypts nothing until it is opened, then does what it is told: a module gone mad."""

    def __init__(self, answer: Callable[[bytes], bytes], *, opened: bool = True) -> None:
        self._answer = answer
        self._sound = opened
        self.ended = 0

    def update(self, source: Any, target: Any, size: ctypes.c_ulong) -> int:
        asked = ctypes.string_at(source, size.value)
        answer, self._sound = asked if self._sound else self._answer(asked), False
        ctypes.memmove(target, answer, min(len(answer), size.value))
        return len(answer)

    def end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize("answer", [lambda piece: piece[:-1], lambda piece: piece + b"\0" * 16, lambda _: b""])
def test_answer_of_another_length_is_refused_for_good(answer: Callable[[bytes], bytes]) -> None:
    module = _Module(answer)
    encrypt = BlockStream(module)
    with pytest.raises(TokenRefused, match="the token answered with fewer or more bytes than it was given"):
        encrypt(bytes(32))
    with pytest.raises(TokenUnavailable, match="the operation has ended"):
        encrypt(bytes(32))
    assert module.ended == 1


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), MemoryError(), OSError("odd")])
def test_interrupt_in_mid_call_kills_the_stream(trouble: BaseException) -> None:
    answers: list[BaseException | None] = [None, trouble]  # the first when it is open

    def answer(piece: bytes) -> bytes:
        if (problem := answers.pop(0)) is not None:
            raise problem
        return piece

    encrypt = BlockStream(_Module(answer))
    assert encrypt(b"a" * 16) == b"a" * 16
    with pytest.raises(type(trouble)):
        encrypt(b"b" * 16)
    with pytest.raises(TokenUnavailable, match="the operation has ended"):
        encrypt(b"c" * 16)


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        (0x32, TokenUnavailable, "CKR_DEVICE_REMOVED"),
        (0x101, TokenUnavailable, "CKR_USER_NOT_LOGGED_IN"),
        (0x60, TokenRefused, "CKR_KEY_HANDLE_INVALID"),
        (0x150, TokenRefused, "CKR_BUFFER_TOO_SMALL"),
        (0x80000123, TokenRefused, "CKR 0x80000123"),
    ],
)
def test_errors_of_the_module_are_named(code: int, kind: type[Exception], name: str) -> None:
    def answer(_: bytes) -> bytes:
        require_ok(code)
        raise AssertionError("not reached")

    with pytest.raises(kind, match=f"encrypt blocks: .*{name}"):
        BlockStream(_Module(answer))(bytes(16))


def test_codes_are_named_as_python_pkcs11_names_them() -> None:
    """Every code that has a class of its own gets the class with that very CKR_ name."""
    header = {
        0x002: "CKR_HOST_MEMORY",
        0x003: "CKR_SLOT_ID_INVALID",
        0x005: "CKR_GENERAL_ERROR",
        0x006: "CKR_FUNCTION_FAILED",
        0x007: "CKR_ARGUMENTS_BAD",
        0x020: "CKR_DATA_INVALID",
        0x021: "CKR_DATA_LEN_RANGE",
        0x030: "CKR_DEVICE_ERROR",
        0x031: "CKR_DEVICE_MEMORY",
        0x032: "CKR_DEVICE_REMOVED",
        0x050: "CKR_FUNCTION_CANCELED",
        0x060: "CKR_KEY_HANDLE_INVALID",
        0x062: "CKR_KEY_SIZE_RANGE",
        0x063: "CKR_KEY_TYPE_INCONSISTENT",
        0x070: "CKR_MECHANISM_INVALID",
        0x071: "CKR_MECHANISM_PARAM_INVALID",
        0x090: "CKR_OPERATION_ACTIVE",
        0x091: "CKR_OPERATION_NOT_INITIALIZED",
        0x0A3: "CKR_PIN_EXPIRED",
        0x0B0: "CKR_SESSION_CLOSED",
        0x0B3: "CKR_SESSION_HANDLE_INVALID",
        0x0E0: "CKR_TOKEN_NOT_PRESENT",
        0x0E1: "CKR_TOKEN_NOT_RECOGNIZED",
        0x101: "CKR_USER_NOT_LOGGED_IN",
    }
    for code, name in header.items():
        with pytest.raises(pkcs11.PKCS11Error) as caught:
            require_ok(code)
        assert code_name(caught.value) == name


def rows(count: int) -> tuple[Rows, Rows]:
    asked = Rows(count)
    asked.blocks[:] = np.frombuffer(secrets.token_bytes(16 * count), WORDS).reshape(-1, 2)
    return asked, Rows(count)


@pytest.mark.parametrize("count", [1, 2, 17, 8191, 8192])
def test_between_arrays_is_the_same_aes(known: BlockStream, count: int) -> None:
    asked, answer = rows(8192)
    before, encrypt = asked.blocks.copy(), known.between(asked, answer)
    for _ in range(3):  # the canary stands before them, or behind
        answer.blocks[:] = 0
        encrypt(count)
        assert answer.blocks[:count].tobytes() == software_aes(asked.blocks[:count].tobytes())
        assert not answer.blocks[count + 1 :].any()
    np.testing.assert_array_equal(asked.blocks, before)


def test_arrays_are_kept_as_long_as_the_function_is(known: BlockStream) -> None:
    asked, answer = rows(64)
    encrypt, seen = known.between(asked, answer), weakref.ref(asked.blocks)
    expected = software_aes(asked.blocks.tobytes())
    del asked
    gc.collect()
    assert seen() is not None
    encrypt(64)
    assert answer.blocks.tobytes() == expected


@pytest.mark.parametrize("count", [0, -1, 65])
def test_no_more_blocks_than_the_arrays_have(known: BlockStream, count: int) -> None:
    asked, answer = rows(64)
    with pytest.raises(ValueError, match=f"{count} blocks; the arrays have 64"):
        known.between(asked, answer)(count)
    assert not answer.blocks.any()


def test_arrays_beyond_what_one_call_takes_are_refused(known: BlockStream) -> None:
    with pytest.raises(ValueError, match="8193 blocks; at most 8192 at once"):
        known.between(*rows(8193))


def test_trouble_between_arrays_ends_the_stream_too() -> None:
    encrypt = BlockStream(_Module(lambda piece: piece[:-16]))
    direct = encrypt.between(*rows(4))
    with pytest.raises(TokenRefused, match="fewer or more bytes"):
        direct(4)
    with pytest.raises(TokenUnavailable, match="the operation has ended"):
        direct(4)


def test_one_operation_serves_every_call_says_a_spy_on_the_module(softhsm: Any, label: str, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    environment = {**softhsm.environment, "PKCS11SPY": str(softhsm.module), "PKCS11SPY_OUTPUT": str(calls)}
    script = (
        "import sys; from pathlib import Path; from appliance.token import Token\n"
        f"token = Token.open(Path({str(softhsm.pkcs11_spy)!r}), label={label!r}, serial=None, pin=sys.stdin.read())\n"
        "encrypt = token.import_session_key(bytes(32))\n"
        "[encrypt(bytes(16 * n)) for n in range(1, 11)]\n"
    )
    subprocess.run([sys.executable, "-c", script], input=PIN, env=environment, cwd=PROJECT, text=True, check=True)
    log = calls.read_text()
    assert log.count("C_EncryptInit\n") == 1
    assert log.count("CKM_AES_ECB") == 1
    assert log.count("C_EncryptUpdate\n") == 11  # one more for the check value
    assert log.count("C_Login\n") == log.count("C_Logout\n") == 1
    assert log.rindex("C_CloseSession\n") > log.rindex("C_Logout\n") > log.rindex("C_EncryptFinal\n")


def test_process_that_never_closes_ends_cleanly(softhsm: Any, label: str) -> None:
    script = (
        "import sys; from pathlib import Path; from appliance.token import Token\n"
        f"token = Token.open(Path({str(softhsm.module)!r}), label={label!r}, serial=None, pin=sys.stdin.read())\n"
        "encrypt = token.import_session_key(bytes(32)); print(len(encrypt(bytes(160))))\n"
        "sys.exit('no close')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        input=PIN,
        env=softhsm.environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "160\n", "no close\n")
