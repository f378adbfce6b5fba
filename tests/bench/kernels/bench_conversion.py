"""What a verified conversion costs, text to text, in blocks of the token, by how many numbers come at once."""

from __future__ import annotations

import pytest

from appliance.engine.converter import Converter
from appliance.token.token import Token
from tests.bench.kernels.clock import CLOCK, GROUP, Measure, session_key
from tests.numberkit import DEFAULT_KEYS, gen, make_state, random_codes

B, E = gen("sspin.B.1"), gen("sspin.E.1")
BLOCKS = 41  # 19 rounds up, the last and the ten down asked twice; these keys make no tags
pytestmark = pytest.mark.benchmark(timer=CLOCK, group=GROUP)


@pytest.fixture(scope="module")
def converter(token: Token) -> Converter:
    return Converter(make_state(DEFAULT_KEYS), lambda record: session_key(token))


@pytest.mark.parametrize("count", [1, 4, 64, 1_024, 8_192, 65_536])
def test_conversion(measure: Measure, converter: Converter, count: int) -> None:
    text = converter.convert_lines(None, B, random_codes(count)).text
    measure(lambda: converter.convert_lines(B, E, text), count, BLOCKS)
