"""Arrays of AES blocks, and AES between two of them: without a copy where the key can, else by way of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from appliance.numbers.ff1 import BlocksLost, EncryptBlocks

Block = np.uint64
"""What blocks are made of: two big-endian words, a row of ``uint64[n, 2]``."""

WORDS = np.dtype(">u8")
_LINE = 64  # bytes of a cache line: an array that begins with one is read and written a tenth faster


@runtime_checkable
class BetweenArrays(Protocol):
    """An `EncryptBlocks` that also works between two arrays."""

    def between(self, source: NDArray[Block], target: NDArray[Block]) -> Callable[[int], None]:
        """A function that enciphers the first n blocks of ``source`` into ``target``."""


def aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of zeros that begins with a cache line."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    room = np.zeros(size + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    array: NDArray[Any] = room[start : start + size].view(kind).reshape(shape)
    return array


def between(encrypt_blocks: EncryptBlocks, source: NDArray[Block], target: NDArray[Block]) -> Callable[[int], None]:
    """A function that enciphers the first n blocks of ``source`` into ``target``: arrays of `WORDS`, n rows of two.

    Raises:
        BlocksLost: by the function, if the AES answers with fewer or more bytes than it was given.
    """
    if isinstance(encrypt_blocks, BetweenArrays):
        return encrypt_blocks.between(source, target)

    def copying(count: int) -> None:
        asked = source[:count].tobytes()
        answer = encrypt_blocks(asked)
        if len(answer) != len(asked):
            raise BlocksLost(f"AES answered {len(answer)} bytes to {len(asked)}")
        target[:count] = np.frombuffer(answer, WORDS).reshape(-1, 2)

    return copying
