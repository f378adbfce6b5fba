"""Trying a key just made: numbers of its domain go through FF1 on the token and come back the same."""

from __future__ import annotations

import secrets

from appliance.numbers.domains import Domain
from appliance.numbers.ff1 import FF1, EncryptBlocks
from keyceremony.errors import SelfTestFailed

NUMBERS = 4


def self_test(encrypt_blocks: EncryptBlocks, domain: Domain) -> None:
    """Encrypt and decrypt a few random numbers of the domain with the key.

    Raises:
        SelfTestFailed: a number does not come back, or none of them changes.
    """
    ff1 = FF1(encrypt_blocks, domain.format.radix, domain.name.encode("ascii"))
    plain = [[secrets.randbelow(domain.format.radix) for _ in range(domain.format.length)] for _ in range(NUMBERS)]
    sealed = [ff1.encrypt(digits) for digits in plain]
    if [ff1.decrypt(digits) for digits in sealed] != plain:
        raise SelfTestFailed(f"{domain.name}: a number enciphered with the new key does not come back")
    if sealed == plain:
        raise SelfTestFailed(f"{domain.name}: the new key changes nothing")
