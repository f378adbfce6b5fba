"""Asked twice and compared: every byte of both answers, one by one and between arrays."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import numpy as np
import pytest
from numberkit import software_aes

from appliance.numbers.aes import BLOCK, BlocksLost, CiphertextAltered, EncryptBlocks, twice
from appliance.numbers.blocks import WORDS, Rows, between, twice_between

AES = software_aes(bytes(range(32)))
ALTERED = "the token altered ciphertext: it answered the same blocks in two ways"


class Key:
    """An AES that is closed by who finds it out; ``change`` has the last word on each answer."""

    def __init__(self, change: Callable[[bytes], bytes] = lambda answer: answer) -> None:
        self.change = change
        self.closed = 0

    def __call__(self, blocks: bytes) -> bytes:
        return self.change(AES(blocks))

    def close(self) -> None:
        self.closed += 1


def flipped(answer: bytes, place: int) -> bytes:
    return answer[:place] + bytes([answer[place] ^ 1]) + answer[place + 1 :]


@pytest.mark.parametrize("count", [1, 2, 100])
def test_twice_is_the_same_aes(count: int) -> None:
    blocks = secrets.token_bytes(BLOCK * count)
    assert twice(AES)(blocks) == AES(blocks)


@pytest.mark.parametrize("place", range(4 * BLOCK))
def test_every_byte_of_both_answers_is_compared(place: int) -> None:
    key = Key(lambda answer: flipped(answer, place))
    with pytest.raises(CiphertextAltered) as caught:
        twice(key)(bytes(2 * BLOCK))
    assert caught.value.message == ALTERED
    assert "must be taken out of use" in str(caught.value.hint)
    assert key.closed == 1


@pytest.mark.parametrize("lost", [-BLOCK, -1, 1, BLOCK])
def test_more_or_less_than_two_answers_is_none(lost: int) -> None:
    with pytest.raises(BlocksLost, match=f"AES answered {32 + lost} bytes to 32"):
        twice(lambda blocks: bytes(len(blocks) + lost))(bytes(BLOCK))


def rows(count: int) -> tuple[Rows, Rows]:
    asked = Rows(count)
    asked.blocks[:] = np.frombuffer(secrets.token_bytes(BLOCK * count), WORDS).reshape(-1, 2)
    return asked, Rows(count)


@pytest.mark.parametrize("count", [1, 7, 8])
def test_between_arrays_twice_is_the_same_aes(count: int) -> None:
    asked, answer = rows(8)
    for encrypt in (between(AES, asked, answer), twice_between(AES, asked, answer)):
        answer.blocks[:] = 0
        encrypt(count)
        assert answer.blocks[:count].tobytes() == AES(asked.blocks[:count].tobytes())
        assert not answer.blocks[count:].any()


@pytest.mark.parametrize("call", [0, 1])
@pytest.mark.parametrize("place", range(3 * BLOCK))
def test_every_byte_of_both_calls_is_compared(place: int, call: int) -> None:
    """What lies behind the blocks that were asked is not: it is of an earlier call."""
    calls: list[int] = []

    def change(answer: bytes) -> bytes:
        calls.append(len(answer))
        return flipped(answer, place) if len(calls) == 3 + call else answer

    key = Key(change)
    encrypt = twice_between(key, *rows(8))
    encrypt(8)
    with pytest.raises(CiphertextAltered) as caught:
        encrypt(3)
    assert caught.value.message == ALTERED
    assert key.closed == 1


def test_an_aes_without_an_end_is_found_out_just_the_same() -> None:
    answers = iter([bytes(BLOCK), bytes(BLOCK - 1) + b"\1"])
    lying: EncryptBlocks = lambda blocks: next(answers)  # noqa: E731
    with pytest.raises(CiphertextAltered):
        twice_between(lying, *rows(1))(1)


@pytest.mark.parametrize("count", [1, 3, 8192])
def test_rows_begin_with_a_cache_line_and_have_room_on_either_side(count: int) -> None:
    asked = rows(count)[0]
    before, end = asked.blocks.tobytes(), asked.start + BLOCK * count
    assert asked.address % 64 == 0
    assert (len(asked), asked.address) == (count, asked.blocks.ctypes.data)
    assert asked.memory[asked.start : end] == before
    for place in (asked.start - BLOCK, end):
        assert place >= 0
        asked.memory[place : place + BLOCK] = b"a canary's block"  # would grow beyond its end, and cannot
    assert asked.blocks.tobytes() == before
