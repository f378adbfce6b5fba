"""The known block in every call: another key's answer, an altered one, and one that never came are found out."""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from guardkit import MESSAGES, Lies, SoftwareOperation, always, another_key, once
from numberkit import gen, key_of, make_converter, make_state, random_codes

from appliance.engine.converter import Converter
from appliance.errors import KagimoriError
from appliance.numbers.aes import BLOCK, CiphertextAltered
from appliance.numbers.blocks import WORDS, Rows
from appliance.token import Token
from appliance.token.errors import AnotherKeyAnswered, CheckValueMismatch, TokenUnavailable
from appliance.token.stream import CHECK_BLOCK, BlockStream, check_value_of

KEY, OTHER = b"one key of as many as 32 bytes..", b"another key of thirty-two bytes."
ANOTHER = MESSAGES[AnotherKeyAnswered]


def aes(blocks: bytes, key: bytes = KEY) -> bytes:
    encryptor = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


class Meddled:
    """A running operation of a real token: now and then somebody stands between it and who asks."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.instead: Any = None
        self.flip: int | None = None
        self.ended = 0

    def update(self, source: Any, target: Any, size: ctypes.c_ulong) -> int:
        came = int((self.instead or self.real).update(source, target, size))
        if self.flip is not None:
            at = ctypes.cast(target, ctypes.POINTER(ctypes.c_ubyte))
            at[self.flip % came] ^= 1
        return came

    def end(self) -> None:
        self.ended += 1
        self.real.end()


def meddled(stream: BlockStream) -> Meddled:
    """In place of the stream's operation from now on."""
    stream._operation = operation = Meddled(stream._operation)
    return operation


def in_bytes(stream: BlockStream) -> Callable[[], bytes]:
    blocks = secrets.token_bytes(3 * BLOCK)
    return lambda: stream(blocks)


def in_arrays(stream: BlockStream) -> Callable[[], bytes]:
    asked, answer = Rows(5), Rows(5)
    asked.blocks[:] = np.frombuffer(secrets.token_bytes(5 * BLOCK), WORDS).reshape(-1, 2)
    encrypt = stream.between(asked, answer)

    def work() -> bytes:
        encrypt(3)
        return answer.blocks[:3].tobytes()

    return work


def one_at_a_time(stream: BlockStream, *, again: bool = False) -> Callable[[], bytes]:
    encrypt, block = stream.one(again=again), secrets.token_bytes(BLOCK)
    return lambda: 3 * encrypt(block)


def one_at_a_time_asked_twice(stream: BlockStream) -> Callable[[], bytes]:
    return one_at_a_time(stream, again=True)


WAYS = pytest.mark.parametrize("way", [in_bytes, in_arrays, one_at_a_time, one_at_a_time_asked_twice])


def require_over(stream: BlockStream, operation: Meddled) -> None:
    """For good, even if the token is sound again."""
    operation.instead = operation.flip = None
    with pytest.raises(TokenUnavailable, match="encrypt blocks: the operation has ended"):
        stream(bytes(BLOCK))
    assert operation.ended == 1


@WAYS
def test_another_key_of_the_token_in_mid_operation(token: Token, way: Callable[..., Callable[[], bytes]]) -> None:
    stream, other = token.import_session_key(KEY), token.import_session_key(OTHER)
    operation, work = meddled(stream), way(stream)
    for _ in range(4):  # in arrays the canary comes before the blocks, or behind them
        assert len(work()) == 3 * BLOCK
    operation.instead = other._operation
    with pytest.raises(AnotherKeyAnswered) as caught:
        work()
    assert caught.value.message == ANOTHER
    assert "must be taken out of use" in str(caught.value.hint)
    require_over(stream, operation)


@pytest.mark.parametrize("times", [0, 1])
def test_a_flipped_bit_in_the_canary(token: Token, times: int) -> None:
    for byte in range(BLOCK):
        stream = token.import_session_key(KEY)
        operation, work = meddled(stream), in_arrays(stream)
        for _ in range(times):
            work()
        operation.flip = byte - (0 if times else BLOCK)  # behind the blocks first, before them next
        with pytest.raises(AnotherKeyAnswered) as caught:
            work()
        assert caught.value.message == ANOTHER
        require_over(stream, operation)


def test_blocks_altered_by_a_real_token_become_no_number(token: Token) -> None:
    """Text to text on SoftHSM, one number and many; each time another stream has been altered."""
    state = make_state({"spin.1": None, "sspin.B.1": "spin.1", "sspin.E.1": "spin.1", "tag.1": None})
    sound, ends = make_converter(state), (gen("sspin.B.1"), gen("sspin.E.1"))
    for many in (1, 100):
        question = sound.convert_lines(None, ends[0], random_codes(many)).text
        right = sound.convert_lines(*ends, question)
        for name in ("spin.1", "sspin.B.1", "sspin.E.1", "tag.1"):
            streams = {gen(key): token.import_session_key(key_of(gen(key))) for key in map(str, state.keys)}
            converter = Converter(state, lambda record, streams=streams: streams[record.generation])
            assert converter.convert_lines(*ends, question) == right
            meddled(streams[gen(name)]).flip = BLOCK + 7  # of the last byte of FF1's y, or of a tag
            with pytest.raises((CiphertextAltered, AnotherKeyAnswered)) as caught:
                converter.convert_lines(*ends, question)
            assert caught.value.message == MESSAGES[type(caught.value)]


# --- what no token here does -----------------------------------------------------------------------


def lying() -> tuple[BlockStream, Lies]:
    lies = Lies()
    stream = BlockStream(SoftwareOperation(KEY, lies))
    lies.begin()
    return stream, lies


@WAYS
def test_an_answer_that_is_told_and_never_written(
    way: Callable[..., Callable[[], bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the one before, whose canary was right, nor zeros."""
    stream, _ = lying()
    work = way(stream)
    for _ in range(2):
        work()
    monkeypatch.setattr(SoftwareOperation, "update", lambda self, source, target, size: size.value)
    with pytest.raises(AnotherKeyAnswered) as caught:
        work()
    assert caught.value.message == ANOTHER


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("place", range(3 * BLOCK))
def test_a_changed_byte_of_one_block_is_another_keys_or_noticed_when_it_is_asked_twice(place: int, again: bool) -> None:
    stream, lies = lying()
    encrypt, block = stream.one(again=again), secrets.token_bytes(BLOCK)
    assert encrypt(block) == aes(block)
    lies.begin(once(0, place, b"\x10"))
    if place < BLOCK:
        expected: type[KagimoriError] = AnotherKeyAnswered
    elif again:
        expected = CiphertextAltered
    else:  # nothing is compared, or (beyond its answer) nothing is changed
        assert (encrypt(block) != aes(block)) == (place < 2 * BLOCK)
        return
    with pytest.raises(expected) as caught:
        encrypt(block)
    assert caught.value.message == MESSAGES[expected]
    for work in (lambda: encrypt(block), lambda: stream(block)):
        with pytest.raises(TokenUnavailable, match="encrypt blocks: the operation has ended"):
            work()


def test_a_stream_that_answers_nothing_from_the_start_is_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SoftwareOperation, "update", lambda self, source, target, size: size.value)
    with pytest.raises(CiphertextAltered):
        lying()


@pytest.mark.parametrize("place", range(2 * BLOCK))
def test_the_canary_is_asked_twice_when_it_is_learnt(place: int) -> None:
    """So that an altered one is not taken for another key, which would be the end of the daemon."""
    lies = Lies()
    lies.begin(once(0, place, b"\1"))
    with pytest.raises(CiphertextAltered) as caught:
        BlockStream(SoftwareOperation(KEY, lies))
    assert caught.value.message == MESSAGES[CiphertextAltered]


def test_the_canary_is_the_block_of_the_check_value(token: Token) -> None:
    assert token.import_session_key(KEY).canary == aes(CHECK_BLOCK)
    key_id = secrets.token_bytes(16)
    token.generate_conversion_key(key_id, "spin.1")
    check_value = token.check_value(key_id)
    assert check_value_of(token.encrypt_blocks(key_id, check_value).canary) == check_value
    with pytest.raises(CheckValueMismatch, match="this is another key"):
        token.encrypt_blocks(key_id, bytes(6))


@WAYS
@pytest.mark.parametrize("call", [0, 1, 2])
def test_another_key_in_any_call(way: Callable[..., Callable[[], bytes]], call: int) -> None:
    stream, lies = lying()
    work = way(stream)
    lies.begin(another_key(call, OTHER))
    for _ in range(call):
        work()
    with pytest.raises(AnotherKeyAnswered, match="another key answered"):
        work()


@pytest.mark.parametrize("place", [*range(-5 * BLOCK, 5 * BLOCK, 5)])
def test_the_same_place_of_every_answer_is_never_the_same_block_twice(place: int) -> None:
    """What asks twice in arrays relies on it."""
    stream, lies = lying()
    work = in_arrays(stream)
    right = work(), work()
    assert right[0] == right[1]
    lies.begin(always(place, b"\1"))
    try:
        wrong = work(), work()
    except AnotherKeyAnswered:
        return
    assert wrong[0] != wrong[1]
