"""Many residents through a real token: code → sPIN → every sector → back, and no two alike anywhere.

Run as ``python -m tests.conformance.residents FOLDER COUNT`` in a process of its own, since a process sees only the
tokens of one SOFTHSM2_CONF. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

from appliance.engine.converter import Converted, Converter
from appliance.ledger import chain, files
from appliance.numbers.domains import Generation
from appliance.token import Token
from tests.world import SECTORS, World, build_world

SPIN, COMMON = Generation("spin", 1), Generation("common", 1)


def whole(done: Converted, count: int) -> bytes:
    """The text of a conversion in which nothing failed."""
    assert (done.converted, done.malformed, done.unknown) == (count, 0, 0), "a resident's number was refused"
    return done.text


def journey(converter: Converter, codes: bytes, count: int) -> dict[str, int]:
    """Distinct numbers by domain, after every way there and back was seen to be right."""
    spins = whole(converter.convert_lines(None, SPIN, codes), count)
    assert whole(converter.convert_lines(SPIN, None, spins), count) == codes, "sPIN → code"
    commons = whole(converter.convert_lines(None, COMMON, codes), count)
    assert whole(converter.convert_lines(COMMON, None, commons), count) == codes, "common → code"
    distinct = {
        "resident": len(set(codes.split())),
        "spin": len(set(spins.split())),
        "common": len(set(commons.split())),
    }
    everyone: set[bytes] = set(spins.split())
    for sector in SECTORS:
        generation = Generation(sector, 1)
        numbers = whole(converter.convert_lines(SPIN, generation, spins), count)
        assert whole(converter.convert_lines(None, generation, codes), count) == numbers, f"code → {sector}"
        assert whole(converter.convert_lines(generation, SPIN, numbers), count) == spins, f"{sector} → sPIN"
        assert whole(converter.convert_lines(generation, None, numbers), count) == codes, f"{sector} → code"
        distinct[sector] = len(set(numbers.split()))
        everyone |= set(numbers.split())
    return {**distinct, "sPIN and all sectors together": len(everyone)}


def travel(world: World, count: int) -> dict[str, int]:
    """Log in as the engine does and send ``count`` random residents round."""
    os.environ.update(world.env)
    codes = "".join(f"{code:011d}\n" for code in random.Random(20261123).sample(range(10**11), count)).encode()
    state = chain.verify(files.read(world.ledger), world.anchor)
    with Token.open(world.module, label=state.token_label, serial=state.token_serial, pin=world.pin) as token:
        return journey(Converter(state, lambda key: token.encrypt_blocks(key.key_id, key.check_value)), codes, count)


if __name__ == "__main__":
    print(json.dumps(travel(build_world(Path(sys.argv[1])), int(sys.argv[2]))))
