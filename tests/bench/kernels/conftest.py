"""A token for the kernels, and how one is measured. Read when ordinary tests are collected, too; those have none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from softhsmkit import PIN, SoftHSM

from appliance.token.token import Token
from tests.bench.kernels.clock import CLOCK, Kernel, Measure, PerNumber, session_key

ROUNDS = 21
ROUND_SECONDS = 0.02


@pytest.fixture(scope="session")
def token(softhsm: SoftHSM) -> Iterator[Token]:
    """Of this process alone."""
    serial = softhsm.init_token("kernels")
    with Token.open(softhsm.module, label="kernels", serial=serial, pin=PIN) as opened:
        CLOCK.of(session_key(opened))
        yield opened


@pytest.fixture
def measure(benchmark: Any, token: Token) -> Measure:
    """Run a kernel many times: ``measure(kernel, numbers, blocks)``; ``blocks`` of AES are the least for a number."""

    def measured(kernel: Kernel, numbers: int, blocks: int) -> None:
        kernel()
        begin, _ = time.process_time(), kernel()
        calls = max(1, int(ROUND_SECONDS / (time.process_time() - begin)))

        def repeated() -> None:
            for _ in range(calls):
                kernel()

        benchmark._timer = PerNumber(calls * numbers)
        benchmark.pedantic(repeated, setup=CLOCK.set, rounds=ROUNDS, warmup_rounds=1)
        in_blocks = 1e9 * benchmark.stats.stats.median
        benchmark.extra_info["blocks_a_number"] = round(in_blocks, 2)
        benchmark.extra_info["nanoseconds_a_number"] = round(1e9 * CLOCK.per_block * in_blocks, 1)
        if blocks:
            benchmark.extra_info["of_token_limit"] = round(blocks / in_blocks, 4)

    return measured
