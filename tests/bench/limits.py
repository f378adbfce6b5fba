"""What Kagimori is held against: the token's own pace, and the disk's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.blocks import Rows, between

BARE_BLOCKS = 30  # three FF1 runs of ten rounds, one AES block each: what a conversion needs that trusts its token
ONCE, TWICE = 19, 12  # the rounds up but the last of them; that one, the ten down, and the subject tag (decision 0021)
BLOCKS_PER_CONVERSION = ONCE + 2 * TWICE
BLOCKS_PER_CALL = 4096
Clock = Callable[[], float]
PROCESSOR: Clock = time.process_time


def rate(work: Callable[[], int], seconds: float, clock: Clock = time.perf_counter) -> float:
    """Items a second of a function that does some and returns how many; called once before the clock starts.

    ``clock``: `PROCESSOR` for what computes in this process alone, so that other work on the machine does not count.
    """
    work()
    done, begin = 0, clock()
    while (elapsed := clock() - begin) < seconds:
        done += work()
    return done / elapsed


def token_limit(encrypt_blocks: EncryptBlocks, seconds: float, clock: Clock = time.perf_counter) -> float:
    """Conversions a second if nothing but the token's AES took time: blocks a second in one operation / 43.

    Blocks go from one array to another, without a copy where the key can: that is the token's best.
    """
    encrypt = between(encrypt_blocks, Rows(BLOCKS_PER_CALL), Rows(BLOCKS_PER_CALL))

    def work() -> int:
        encrypt(BLOCKS_PER_CALL)
        return BLOCKS_PER_CALL

    return rate(work, seconds, clock) / BLOCKS_PER_CONVERSION


def token_updates(encrypt_blocks: EncryptBlocks) -> float:
    """Median seconds of 31 updates, 19 of one block and 12 of two: the token's own time for one verified conversion."""
    blocks = [os.urandom(16)] * ONCE + [os.urandom(32)] * TWICE
    times = []
    for _ in range(2000):
        begin = time.perf_counter()
        for block in blocks:
            encrypt_blocks(block)
        times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2]


def fdatasync(folder: Path) -> float:
    """Median seconds of appending 300 bytes to a file and ``fdatasync``."""
    path = folder / "fdatasync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(500):
            begin = time.perf_counter()
            file.write(b"x" * 300)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    path.unlink()
    return sorted(times)[len(times) // 2]
