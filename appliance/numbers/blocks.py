"""Arrays of AES blocks, and AES between two of them: without a copy where the key can, else by way of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from appliance.numbers.aes import BLOCK, EncryptBlocks, altered, lost

Block = np.uint64
"""What blocks are made of: two big-endian words, a row of ``uint64[n, 2]``."""

WORDS = np.dtype(">u8")
_LINE = 64  # bytes of a cache line: an array that begins with one is read and written a tenth faster


class Rows:
    """Blocks one after another, beginning with a cache line; zeros at first.

    There is room for one more block on either side, for what a key asks besides (its canary). ``blocks``:
    ``uint64[count, 2]`` of `WORDS`; ``address``: of the first of them; ``memory`` is where they lie, from ``start`` on.
    """

    __slots__ = ("address", "blocks", "memory", "start")

    def __init__(self, count: int) -> None:
        self.memory = bytearray(2 * _LINE + BLOCK * (count + 1))  # and not numpy's: it compares without a copy
        room = np.frombuffer(self.memory, np.uint8)
        self.start = -int(room.ctypes.data) % _LINE or _LINE
        self.blocks: NDArray[Block] = room[self.start : self.start + BLOCK * count].view(WORDS).reshape(count, 2)
        self.address = int(room.ctypes.data) + self.start

    def __len__(self) -> int:
        """How many blocks, without those on either side."""
        return len(self.blocks)

    def same(self, other: Rows, count: int) -> bool:
        """Whether the first ``count`` blocks are the same, every byte of them: a memcmp."""
        with memoryview(other.memory) as memory, memory[other.start : other.start + BLOCK * count] as theirs:
            return self.memory.startswith(theirs, self.start)


@runtime_checkable
class BetweenArrays(Protocol):
    """An `EncryptBlocks` that also works between two arrays."""

    def between(self, source: Rows, target: Rows) -> Callable[[int], None]:
        """A function that enciphers the first n blocks of ``source`` into ``target``."""


def aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of zeros that begins with a cache line."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    room = np.zeros(size + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    array: NDArray[Any] = room[start : start + size].view(kind).reshape(shape)
    return array


def between(encrypt_blocks: EncryptBlocks, source: Rows, target: Rows) -> Callable[[int], None]:
    """A function that enciphers the first n blocks of ``source`` into ``target``.

    Raises:
        BlocksLost: by the function, if the AES answers with fewer or more bytes than it was given.
    """
    if isinstance(encrypt_blocks, BetweenArrays):
        return encrypt_blocks.between(source, target)

    def copying(count: int) -> None:
        asked = source.blocks[:count].tobytes()
        answer = encrypt_blocks(asked)
        if len(answer) != len(asked):
            raise lost(answer, len(asked))
        target.blocks[:count] = np.frombuffer(answer, WORDS).reshape(-1, 2)

    return copying


def twice_between(encrypt_blocks: EncryptBlocks, source: Rows, target: Rows) -> Callable[[int], None]:
    """The same, with every block asked twice, in two calls.

    Raises:
        CiphertextAltered: by the function, if the two answers differ anywhere.
        BlocksLost: by the function, as that of `between`.
    """
    again = Rows(len(target))
    first, second = between(encrypt_blocks, source, target), between(encrypt_blocks, source, again)

    def asked_twice(count: int) -> None:
        first(count)
        second(count)
        if not again.same(target, count):
            raise altered(encrypt_blocks)

    return asked_twice
