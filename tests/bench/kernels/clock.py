"""A clock that ticks once for each block that the token could have enciphered meanwhile.

Seconds say little on a shared machine; processor time says more. Before every round the token's own pace is measured,
and the round's time is counted in blocks of it: a kernel's figure is a ratio, and so is every comparison with an
earlier run. pytest-benchmark is told that a block is a nanosecond; read "41 ns" as "41 blocks", the least that a
verified conversion without a subject tag can take.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.blocks import Rows, between
from appliance.token.token import Token

BLOCKS = 4_096
PACE_CALLS = 40


class TokenClock:
    """A timer for pytest-benchmark."""

    def __init__(self) -> None:
        self._encrypt: Callable[[int], None] = lambda count: None
        self.per_block = 1e-9

    def of(self, aes: EncryptBlocks) -> None:
        """Tick at this key's pace."""
        self._encrypt = between(aes, Rows(BLOCKS), Rows(BLOCKS))

    def set(self) -> None:
        """Measure the pace now; the quicker calls count, since whatever else runs only makes them slower."""
        times = []
        for _ in range(PACE_CALLS):
            begin = time.process_time()
            self._encrypt(BLOCKS)
            times.append(time.process_time() - begin)
        self.per_block = sorted(times)[PACE_CALLS // 4] / BLOCKS

    def __call__(self) -> float:
        """Blocks, told as nanoseconds."""
        return time.process_time() / self.per_block * 1e-9


class PerNumber:
    """The clock, slower by as many numbers as a round converts."""

    def __init__(self, numbers: int) -> None:
        self._numbers = numbers

    def __call__(self) -> float:
        """Blocks a number, told as nanoseconds."""
        return CLOCK() / self._numbers


CLOCK = TokenClock()
GROUP = "token blocks a number (read ns as blocks)"
Kernel = Callable[[], object]
Measure = Callable[[Kernel, int, int], None]


def session_key(token: Token) -> EncryptBlocks:
    """AES with a random key that is gone afterwards."""
    return token.import_session_key(secrets.token_bytes(32))
