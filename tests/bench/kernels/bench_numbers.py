"""What reading and writing lines, and FF1 over arrays and over one number, cost a number in blocks of the token."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.numbers.columns import parse_lines, render_lines
from appliance.numbers.ff1 import FF1Halves
from appliance.numbers.formats import BASE36, Format
from appliance.numbers.lockstep import Lockstep
from appliance.token.token import Token
from tests.bench.kernels.clock import CLOCK, GROUP, Measure, session_key
from tests.numberkit import random_halves

SSPIN = Format(BASE36, 11)
COUNT = 8_192
BLOCKS = 20  # of an encryption: ten rounds, each asked twice
pytestmark = pytest.mark.benchmark(timer=CLOCK, group=GROUP)


def test_ff1_scalar(measure: Measure, token: Token) -> None:
    scalar = FF1Halves(session_key(token), SSPIN, b"sspin.B")
    measure(lambda: scalar.encrypt(1, 2), 1, BLOCKS)


@pytest.mark.parametrize("count", [512, 2_048, 8_192])
def test_ff1_lockstep(measure: Measure, token: Token, count: int) -> None:
    lockstep = Lockstep(session_key(token), SSPIN, b"sspin.B")
    a, b = random_halves(SSPIN, count)
    measure(lambda: lockstep.encrypt_in_place(a, b), count, BLOCKS)


def test_lines_to_halves(measure: Measure) -> None:
    text = _lines()
    measure(lambda: parse_lines(text, SSPIN), COUNT, 0)


def test_halves_to_lines(measure: Measure) -> None:
    a, b = random_halves(SSPIN, COUNT)
    status = np.zeros(COUNT, np.uint8)
    measure(lambda: render_lines(a, b, status, SSPIN), COUNT, 0)


def _lines() -> bytes:
    return render_lines(*random_halves(SSPIN, COUNT), np.zeros(COUNT, np.uint8), SSPIN)
