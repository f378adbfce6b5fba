"""AES-ECB over blocks as one multi-part operation that never ends: the only key access FF1 has.

ECB has no chaining, so a single C_EncryptInit serves any number of calls. A one-shot call costs 28 µs on
SoftHSM, an update of the running operation 1.3 µs for 1 to 16 blocks and 27 µs for 8,192; beyond that the
cost per block rises, so longer inputs go in pieces. If anything at all goes wrong the operation is over
for good: every later call fails, and none answers with bytes of another one.

Every call carries one block more, the *canary*: the block of the check value, whose answer is known from when the
operation was begun and the check value was found right. An answer without it is no answer: another key gave it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from threading import get_ident
from typing import Protocol

from pkcs11 import PKCS11Error

from appliance.numbers.aes import BLOCK, CiphertextAltered, altered
from appliance.numbers.blocks import Rows
from appliance.token.errors import AnotherKeyAnswered, CheckValueMismatch, TokenRefused, TokenUnavailable, translate
from appliance.token.guard import OWNER

MOST_BLOCKS = 8_192
LARGEST = MOST_BLOCKS * BLOCK
CHECK_BLOCK = b"kagimori/kcv/v1\x00"
CHECK_VALUE_BYTES = 6
_DOING = "encrypt blocks"
_UNWRITTEN = bytes(BLOCK)


class Running(Protocol):
    """A running operation: `appliance.token.calls.Operation`."""

    def update(self, source: object, target: object, size: ctypes.c_ulong) -> int:
        """AES of so many bytes from one place to another; how many bytes came."""

    def end(self) -> None:
        """End it."""


def check_value_of(encrypted: bytes) -> bytes:
    """KCV: the first 6 bytes of SHA-256 over AES-ECB of the block that names the purpose."""
    return sha256(encrypted).digest()[:CHECK_VALUE_BYTES]


def require_check_value(found: bytes, wanted: bytes, key: str) -> None:
    """Raises CheckValueMismatch when a key is not the one that is meant."""
    if found != wanted:
        raise CheckValueMismatch(
            f"{key}: its check value is {found.hex()}, not {wanted.hex()}: this is another key",
            "is this the right token? A wrong key would name wrong people, so nothing is converted",
        )


class BlockStream:
    """The running operation over one key of one session; called with 16*n bytes it returns 16*n bytes.

    ``canary``: AES of `CHECK_BLOCK` as this operation first gave it, asked twice; whoever begins a stream compares its
    check value (`check_value_of`) with the key's before anything else is enciphered.

    Raises:
        TokenError: the operation cannot be used; it is over.
        CiphertextAltered: it does not answer alike twice, or answers nothing; likewise.
    """

    __slots__ = ("_answer", "_answer_at", "_behind", "_operation", "canary")

    def __init__(self, operation: Running) -> None:
        self._operation: Running | None = operation
        room = ctypes.create_string_buffer(LARGEST + BLOCK)
        self._answer_at = ctypes.c_void_p(ctypes.addressof(room))
        self._answer = memoryview(room).cast("B")
        self._behind = False
        self._update(CHECK_BLOCK + CHECK_BLOCK, self._answer_at, _as_ulong(2 * BLOCK))
        self.canary = self._answer[:BLOCK].tobytes()
        if self._answer[BLOCK : 2 * BLOCK] != self.canary or self.canary == _UNWRITTEN:
            self.close()
            raise CiphertextAltered

    def __call__(self, blocks: bytes) -> bytes:
        """AES of each block.

        Raises:
            AnotherKeyAnswered, TokenUnavailable, TokenRefused: the operation is over, now and for good.
            ValueError: not whole blocks; nothing was asked of the token.
            WrongThread: another thread, or another process, uses PKCS#11.
        """
        size = len(blocks)
        if type(blocks) is not bytes or size > LARGEST or not size or size % BLOCK:
            return self._in_pieces(blocks)
        size += BLOCK
        self._answer[:BLOCK] = _UNWRITTEN  # an answer that is not written is none, and not the one before
        self._update(CHECK_BLOCK + blocks, self._answer_at, _as_ulong(size))
        answer = self._answer[:size].tobytes()
        if not answer.startswith(self.canary):
            raise self._swapped()
        return answer[BLOCK:]

    def between(self, source: Rows, target: Rows) -> Callable[[int], None]:
        """A function that enciphers the first n blocks of ``source`` into ``target`` without a copy in between.

        Each has at most `MOST_BLOCKS` blocks. The canary stands before them in one call and behind them in the next, so
        that what a token does to the same place of every answer meets other blocks when they are asked again.

        Raises:
            ValueError: they have more; by the function, they have fewer than n.
            AnotherKeyAnswered, TokenUnavailable, TokenRefused, WrongThread: by the function, as `__call__`.
        """
        rows = min(len(source), len(target))
        if rows > MOST_BLOCKS:
            raise ValueError(f"{rows} blocks; at most {MOST_BLOCKS} at once")
        ahead = ctypes.c_void_p(source.address - BLOCK), ctypes.c_void_p(target.address - BLOCK)
        behind = ctypes.c_void_p(source.address), ctypes.c_void_p(target.address)
        asked, answer, canary = source.memory, target.memory, self.canary

        def encrypt(count: int) -> None:
            if not 0 < count <= rows:
                raise ValueError(f"{count} blocks; the arrays have {rows}")
            self._behind = not self._behind
            places, at = (behind, BLOCK * count) if self._behind else (ahead, -BLOCK)
            here, there = source.start + at, target.start + at
            kept = asked[here : here + BLOCK]  # behind the last one, it may be a block of a larger call
            asked[here : here + BLOCK] = CHECK_BLOCK
            answer[there : there + BLOCK] = _UNWRITTEN
            self._update(*places, _as_ulong(BLOCK * count + BLOCK))
            asked[here : here + BLOCK] = kept
            if not answer.startswith(canary, there):
                raise self._swapped()

        encrypt.keeps = source, target  # type: ignore[attr-defined]  # the places are theirs as long as this lives
        return encrypt

    def one(self, *, again: bool) -> Callable[[bytes], bytes]:
        """A function that enciphers one block, in half the time of `__call__`.

        ``again``: the block is asked twice, in one call, and the two answers are compared.

        Raises:
            ValueError: by the function, if it is given anything but one block.
            CiphertextAltered: by the function, if the two answers differ; the operation is over.
            AnotherKeyAnswered, TokenUnavailable, TokenRefused, WrongThread: by the function, as `__call__`.
        """
        blocks = 3 if again else 2
        size, target, answer = _as_ulong(blocks * BLOCK), self._answer_at, self._answer
        wipe, read = Struct(f"{blocks * BLOCK}x").pack_into, Struct(f"{BLOCK}s" * blocks).unpack_from
        canary, update = self.canary, self._update

        def encrypt(block: bytes) -> bytes:
            if len(block) != BLOCK:
                raise ValueError(f"{len(block)} bytes are not one block of {BLOCK}")
            wipe(answer, 0)  # an answer that is not written is none, and not the one before
            update(CHECK_BLOCK + block + block if again else CHECK_BLOCK + block, target, size)
            found = read(answer)
            if found[0] != canary:
                raise self._swapped()
            if again and found[1] != found[2]:
                raise altered(self)
            first: bytes = found[1]
            return first

        return encrypt

    def _update(self, source: object, target: object, size: ctypes.c_ulong) -> None:
        if OWNER.thread != get_ident():
            raise OWNER.refusal()
        if self._operation is None:
            raise TokenUnavailable(f"{_DOING}: the operation has ended", "open the token again")
        try:
            came = self._operation.update(source, target, size)
        except PKCS11Error as error:
            self.close()
            raise translate(error, _DOING) from error
        except BaseException:  # an interrupt in mid-call: nobody can say what the operation has done
            self.close()
            raise
        if came != size.value:
            self.close()
            raise TokenRefused(f"{_DOING}: the token answered with fewer or more bytes than it was given")

    def _in_pieces(self, blocks: bytes) -> bytes:
        """Anything but 1 to 8,192 whole blocks in a bytes object."""
        data = memoryview(blocks).tobytes()
        if len(data) % BLOCK:
            raise ValueError(f"{len(data)} bytes are not whole blocks of {BLOCK}")
        pieces = (data[start : start + LARGEST] for start in range(0, len(data), LARGEST))
        return b"".join(map(self, pieces))

    def _swapped(self) -> AnotherKeyAnswered:
        self.close()
        return AnotherKeyAnswered(
            f"{_DOING}: another key answered, or the token altered ciphertext: the check block came back another",
            "nothing was answered from it; a token that does this again must be taken out of use",
        )

    def close(self) -> None:
        """Ends the operation; safe to call twice, and from within a failure."""
        operation, self._operation = self._operation, None
        if operation is not None:
            with suppress(PKCS11Error):  # the first error is the one to report
                operation.end()


@lru_cache(maxsize=1024)
def _as_ulong(size: int) -> ctypes.c_ulong:
    """A CK_ULONG that nobody changes."""
    return ctypes.c_ulong(size)
