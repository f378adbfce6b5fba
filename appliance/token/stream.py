"""AES-ECB over blocks as one multi-part operation that never ends: the only key access FF1 has.

ECB has no chaining, so a single C_EncryptInit serves any number of calls. A one-shot call costs 28 µs on
SoftHSM, an update of the running operation 1.3 µs for 1 to 16 blocks and 24 µs for 8,192; beyond that the
cost per block rises, so longer inputs go in pieces. If anything at all goes wrong the operation is over
for good: every later call fails, and none answers with bytes of another one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from hashlib import sha256
from threading import get_ident
from typing import TYPE_CHECKING, Any, cast

from pkcs11 import Mechanism, PKCS11Error

from appliance.token.errors import CheckValueMismatch, TokenError, TokenRefused, TokenUnavailable, translate
from appliance.token.guard import OWNER

if TYPE_CHECKING:
    from appliance.numbers.ff1 import EncryptBlocks

BLOCK = 16
LARGEST = 8_192 * BLOCK
CHECK_BLOCK = b"kagimori/kcv/v1\x00"
CHECK_VALUE_BYTES = 6
_DOING = "encrypt blocks"


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
    """The running operation over one key of one session.

    ``encrypt`` takes 16*n bytes and returns 16*n bytes. It is a closure, not a method: it is called
    thirty times for one conversion.
    """

    def __init__(self, key: Any) -> None:
        self._pending: list[bytes] = []
        # The library asks for the output's size before each update and allocates only if this is too small.
        operation = key.encrypt(self._feed(), mechanism=Mechanism.AES_ECB, buffer_size=LARGEST + BLOCK)
        self._operation = cast("Generator[bytes, None, None]", operation)
        self.encrypt: EncryptBlocks = self._make_encrypt()

    def _feed(self) -> Iterator[bytes]:
        """Each piece exactly once; nothing pending ends the operation rather than repeat a piece."""
        while self._pending:
            yield self._pending.pop()

    def _make_encrypt(self) -> Callable[[bytes], bytes]:
        owner, operation, pending = OWNER, self._operation, self._pending
        bulk, lost, close = self._bulk, self._lost, self.close

        def encrypt(blocks: bytes) -> bytes:
            size = len(blocks)
            if owner.thread != get_ident():
                raise owner.refusal()
            if size > LARGEST or not size or size % BLOCK or type(blocks) is not bytes:
                return bulk(blocks)
            pending.append(blocks)
            try:
                answer = next(operation)
            except (PKCS11Error, StopIteration) as error:
                raise lost(error) from error
            except BaseException:  # an interrupt in mid-call: nobody can say what the operation has consumed
                close()
                raise
            if len(answer) != size:
                raise lost(None)
            return answer

        return encrypt

    def _bulk(self, blocks: bytes) -> bytes:
        """Anything but 1 to 8,192 whole blocks in a bytes object."""
        data = memoryview(blocks).tobytes()
        if len(data) % BLOCK:
            raise ValueError(f"{len(data)} bytes are not whole blocks of {BLOCK}")
        pieces = (data[start : start + LARGEST] for start in range(0, len(data), LARGEST))
        return b"".join(map(self.encrypt, pieces))

    def _lost(self, error: Exception | None) -> TokenError:
        """Ends the operation for good; what to raise."""
        self.close()
        match error:
            case PKCS11Error():
                return translate(error, _DOING)
            case StopIteration():
                return TokenUnavailable(f"{_DOING}: the operation has ended", "open the token again")
            case _:
                return TokenRefused(f"{_DOING}: the token answered with fewer or more bytes than it was given")

    def close(self) -> None:
        """Ends the operation; safe to call twice, and from within a failure."""
        self._pending.clear()
        with suppress(PKCS11Error, ValueError):  # the first error is the one to report
            self._operation.close()
