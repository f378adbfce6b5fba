"""What Kagimori is held against: the token's own pace, the disk's, and the nearest peers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import fastfpe.ff1

from appliance.numbers.formats import BASE36

BLOCKS_PER_CONVERSION = 30  # three FF1 runs of ten rounds, one AES block each
BLOCKS_PER_CALL = 4096


def rate(work: Callable[[], int], seconds: float) -> float:
    """Items a second of a function that does some and returns how many; called once before the clock starts."""
    work()
    done, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        done += work()
    return done / elapsed


def token_limit(encrypt_blocks: Callable[[bytes], bytes], seconds: float) -> float:
    """Conversions a second if nothing but the token's AES took time: blocks a second in one operation / 30."""
    chunk = os.urandom(16 * BLOCKS_PER_CALL)

    def work() -> int:
        encrypt_blocks(chunk)
        return BLOCKS_PER_CALL

    return rate(work, seconds) / BLOCKS_PER_CONVERSION


def token_thirty_updates(encrypt_blocks: Callable[[bytes], bytes]) -> float:
    """Median seconds of 30 one-block updates: the token's own time for one verified conversion."""
    block = os.urandom(16)
    times = []
    for _ in range(2000):
        begin = time.perf_counter()
        for _ in range(BLOCKS_PER_CONVERSION):
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


def fastfpe_conversions(numbers: Sequence[str], seconds: float) -> float:
    """Conversions a second of the fastest FF1 library on PyPI, keys in process memory: the same three FF1 runs."""
    key_b, key_spin, key_e = (os.urandom(32).hex() for _ in range(3))
    tweak_b, tweak_spin, tweak_e = (name.encode().hex() for name in ("sspin.B", "spin", "sspin.E"))

    def work() -> int:
        for number in numbers:
            spin = fastfpe.ff1.decrypt(key_b, tweak_b, BASE36, number)
            fastfpe.ff1.decrypt(key_spin, tweak_spin, BASE36, spin)
            fastfpe.ff1.encrypt(key_e, tweak_e, BASE36, spin)
        return len(numbers)

    return rate(work, seconds)
