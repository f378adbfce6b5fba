"""Subject tags: what stands for one person in the log's index, made under a key of the token.

A tag is one block of AES-256 under a generation of the ``tag`` key: the eight bytes that name the purpose, then the
resident code as an integer. Injective, so two people never share one; one-way without the key, so nobody who reads
the index can tell whose it is. Only a number that was verified at the root has one. Nothing verifies a tag later, so
each is made twice and the two are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from appliance.numbers.aes import EncryptBlocks, twice
from appliance.numbers.blocks import Rows, aligned, twice_between
from appliance.numbers.formats import Format
from appliance.numbers.lockstep import CHUNK, Halves

PREFIX = b"kg/tag/1"
_NUMBER_BYTES = 8


class Tagger:
    """Makes tags under one key, for numbers of the root's format. Not for two threads at once.

    Raises:
        ValueError: the root has numbers that do not fit eight bytes (the ledger refuses such a tree).
        CiphertextAltered: by the methods, if a tag made twice is two.
    """

    def __init__(self, encrypt_blocks: EncryptBlocks, root: Format, chunk: int = CHUNK) -> None:
        if root.size > 2 ** (8 * _NUMBER_BYTES):
            raise ValueError("the root's numbers do not fit eight bytes")
        self._encrypt_blocks = twice(encrypt_blocks)
        self._right_size = np.array(root.right_size, np.uint64)
        blocks, answer = Rows(chunk), Rows(chunk)
        self._blocks, self._answer = blocks.blocks, answer.blocks
        self._blocks[:, 0] = int.from_bytes(PREFIX, "big")
        self._chunk = chunk
        self._values = aligned((chunk,), np.uint64)
        self._encrypt = twice_between(encrypt_blocks, blocks, answer)

    def of_values(self, values: Sequence[int]) -> bytes:
        """The tags of numbers as integers, one after another."""
        if not values:
            return b""
        return self._encrypt_blocks(b"".join([PREFIX + value.to_bytes(_NUMBER_BYTES, "big") for value in values]))

    def of_columns(self, a: Halves, b: Halves) -> bytes:
        """The same of halves, ``uint64[n]`` each: two calls of AES for a chunk of them."""
        return b"".join(self._chunks(a, b))

    def _chunks(self, a: Halves, b: Halves) -> Iterator[bytes]:
        for start in range(0, len(a), self._chunk):
            count = min(self._chunk, len(a) - start)
            values, blocks = self._values[:count], self._blocks[:count]
            np.multiply(a[start : start + count], self._right_size, out=values)
            np.add(values, b[start : start + count], out=values)
            np.copyto(blocks[:, 1], values)  # to big-endian
            self._encrypt(count)
            yield self._answer[:count].tobytes()
