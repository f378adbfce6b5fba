"""The AES that FF1 is given, a function over blocks; and how an answer that nothing later verifies is made sure of.

A deciphered number is verified at the root; an enciphered one, and a subject tag, by nobody. So where nothing else
would notice, every block is asked twice and the two answers are compared, all sixteen bytes of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

from appliance.errors import KagimoriError

EncryptBlocks = Callable[[bytes], bytes]
"""AES-ECB over 16*n bytes: 16*n bytes. The only access to a key that FF1 has."""

BLOCK = 16


@runtime_checkable
class OneBlock(Protocol):
    """An `EncryptBlocks` that has a quicker way for one block at a time."""

    def one(self, *, again: bool) -> EncryptBlocks:
        """A function over one block; ``again``: it is asked twice, in one call, and the two answers are compared."""


class BlocksLost(ValueError):
    """The AES answered with fewer or more bytes than it was given."""


class CiphertextAltered(KagimoriError):
    """The token answered the same question in two ways, so one of its answers was altered."""

    exit_code: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__(
            "the token altered ciphertext: it answered the same blocks in two ways",
            "nothing was answered from either; a token that does this again must be taken out of use",
        )


def altered(encrypt_blocks: EncryptBlocks) -> CiphertextAltered:
    """The error to raise; what can be closed is closed first, so that it gives no later answer either."""
    close = getattr(encrypt_blocks, "close", None)
    if close is not None:
        close()
    return CiphertextAltered()


def lost(answer: bytes, wanted: int) -> BlocksLost:
    """The error to raise for an answer of another length than ``wanted`` bytes."""
    return BlocksLost(f"AES answered {len(answer)} bytes to {wanted}")


def twice(encrypt_blocks: EncryptBlocks) -> EncryptBlocks:
    """The same AES with every block asked twice, in one call.

    Raises:
        CiphertextAltered: by the function, if the two answers differ anywhere.
        BlocksLost: by the function, if they are shorter or longer than the question.
    """

    def asked_twice(blocks: bytes) -> bytes:
        size = len(blocks)
        answer = encrypt_blocks(blocks + blocks)
        if len(answer) != 2 * size:
            raise lost(answer, 2 * size)
        first = answer[:size]
        if answer[size:] != first:
            raise altered(encrypt_blocks)
        return first

    return asked_twice


def one(encrypt_blocks: EncryptBlocks, *, again: bool = False) -> EncryptBlocks:
    """The same AES for one block at a time; ``again``: asked twice.

    Raises:
        CiphertextAltered, BlocksLost: by the function, as that of `twice`.
    """
    if isinstance(encrypt_blocks, OneBlock):
        return encrypt_blocks.one(again=again)
    return twice(encrypt_blocks) if again else encrypt_blocks
