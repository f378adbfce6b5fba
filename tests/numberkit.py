"""Numbers for tests: a software AES, ledger states with the keys one wants, and formats worth trying.

The AES is the real one, of the `cryptography` package; only the keys are in memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from appliance.engine.converter import Converter
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.policy import Policy
from appliance.ledger.roster import Roster
from appliance.ledger.states import KeyState
from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.domains import Domain, DomainTree, Generation, default_domains
from appliance.numbers.formats import BASE36, DECIMAL, Format
from appliance.numbers.lockstep import CHUNK, Halves

PRINTABLE = "".join(chr(code) for code in range(ord('"'), ord("~") + 1))
IN_USE = {
    "resident": Format(DECIMAL, 11),
    "common": Format(DECIMAL, 11, "individual-number"),
    "spin and sspin": Format(BASE36, 11),
    "a decimal sector": Format(DECIMAL, 18),
}
OTHERS = {  # each is the only one of its kind: b and d of FF1, odd and even lengths, the limits of 63 bits
    "d = 12, b = 5, left half below 2**32": Format(BASE36, 13),
    "d = 12, b = 5": Format(DECIMAL, 20),
    "d = 12, b = 6": Format(BASE36, 18),
    "d = 12, b = 8": Format(BASE36, 24),
    "the largest half, 2**63": Format("01", 126),
    "the largest half that is no power of 2, 38**12": Format(PRINTABLE[:38], 24),
    "b = 7": Format(PRINTABLE, 16),
    "all printable": Format(PRINTABLE, 9),
    "letters first": Format(BASE36[::-1], 11),
    "the least domain": Format(DECIMAL, 6),
}


def software_aes(key: bytes) -> EncryptBlocks:
    """AES-ECB with a key in memory."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update


def key_of(generation: Generation) -> bytes:
    """A key of a generation's own: 32 bytes."""
    return sha256(f"test key of {generation}".encode()).digest()


def gen(text: str) -> Generation:
    """`Generation.parse`, briefly."""
    return Generation.parse(text)


def make_state(
    keys: Mapping[str, str | None] | None = None,
    *,
    states: Mapping[str, KeyState] | None = None,
    domains: Iterable[Domain] | None = None,
    current: Mapping[str, str] | None = None,
) -> LedgerState:
    """A ledger's state: keys with their parents, all active unless ``states`` says otherwise."""
    keys = DEFAULT_KEYS if keys is None else keys
    states = states or {}
    records = {
        gen(name): KeyRecord(
            generation=gen(name),
            parent=gen(parent) if parent else None,
            key_id=key_of(gen(name))[:16],
            check_value=key_of(gen(name))[-6:],
            state=states.get(name, KeyState.ACTIVE),
        )
        for name, parent in keys.items()
    }
    if current is None:
        usable = [record.generation for record in records.values() if record.state == KeyState.ACTIVE]
        chosen = {generation.domain: generation for generation in sorted(usable)}
    else:
        chosen = {domain: gen(name) for domain, name in current.items()}
    return LedgerState(
        sequence=3,
        head="0" * 64,
        anchor="0" * 64,
        rehearsal=True,
        token_label="test",
        token_serial="0",
        identity_key_id=bytes(16),
        identity_certificate=b"",
        roster=Roster(people=(), thresholds={}),
        policy=Policy(roles={}),
        domains=(),
        tree=DomainTree(default_domains() if domains is None else domains),
        titles={},
        keys=records,
        current=chosen,
        backups={},
        drills={},
    )


DEFAULT_KEYS: Mapping[str, str | None] = {
    "common.1": None,
    "spin.1": None,
    **{f"sspin.{sector}.1": "spin.1" for sector in "ABCDEF"},
    "sspin.C.2": "spin.1",
}


def make_converter(state: LedgerState, *, chunk: int = CHUNK, between: Callable[[], None] | None = None) -> Converter:
    """A converter over software keys."""
    return Converter(state, lambda record: software_aes(key_of(record.generation)), chunk=chunk, between=between)


def random_halves(fmt: Format, count: int, seed: int = 1) -> tuple[Halves, Halves]:
    """Halves of ``count`` numbers, the extreme ones among them."""
    rng = random.Random(seed)
    left = [rng.randrange(fmt.left_size) for _ in range(count)]
    right = [rng.randrange(fmt.right_size) for _ in range(count)]
    left[:3], right[:3] = [0, fmt.left_size - 1, 0], [0, fmt.right_size - 1, fmt.right_size - 1]
    return np.array(left[:count], np.uint64), np.array(right[:count], np.uint64)


def random_codes(count: int, seed: int = 1) -> bytes:
    """Lines of distinct resident codes."""
    rng = random.Random(seed)
    return "".join(f"{code:011d}\n" for code in rng.sample(range(10**11), count)).encode()
