"""Trying a key just made or copied: what it is for is done with it once, on the token, and must come out right.

A conversion key: numbers of its domain go through FF1 and come back the same (as they would with a token that altered
every answer alike, so blocks are also asked alone and together). A tag key: a block gives the same tag twice, another
block another one. (A log key signs and is verified whenever it is opened: `Token.log_signer`.)
"""

from __future__ import annotations

import secrets

from appliance.ledger.services import TAG
from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.domains import Domain, DomainTree
from appliance.numbers.ff1 import FF1
from keyceremony.errors import SelfTestFailed

NUMBERS = 4
_BLOCK = 16


def self_test(encrypt_blocks: EncryptBlocks, name: str, tree: DomainTree) -> None:
    """Use a key of the domain ``name``, or a tag key, a few times.

    Raises:
        SelfTestFailed: it does not do what it is for.
    """
    if name == TAG:
        _tags(encrypt_blocks)
    else:
        _converts(encrypt_blocks, tree[name])


def _converts(encrypt_blocks: EncryptBlocks, domain: Domain) -> None:
    ff1 = FF1(encrypt_blocks, domain.format.radix, domain.name.encode("ascii"))
    plain = [[secrets.randbelow(domain.format.radix) for _ in range(domain.format.length)] for _ in range(NUMBERS)]
    sealed = [ff1.encrypt(digits) for digits in plain]
    if [ff1.decrypt(digits) for digits in sealed] != plain:
        raise SelfTestFailed(f"{domain.name}: a number enciphered with the new key does not come back")
    if sealed == plain:
        raise SelfTestFailed(f"{domain.name}: the new key changes nothing")
    blocks = _blocks()
    if encrypt_blocks(b"".join(blocks)) != b"".join(map(encrypt_blocks, blocks)):
        raise SelfTestFailed(f"{domain.name}: the new key enciphers a block alone in another way than among others")


def _blocks() -> list[bytes]:
    return [secrets.token_bytes(_BLOCK) for _ in range(NUMBERS)]


def _tags(encrypt_blocks: EncryptBlocks) -> None:
    blocks = _blocks()
    tags = [encrypt_blocks(block) for block in blocks]
    if encrypt_blocks(b"".join(blocks)) != b"".join(tags):
        raise SelfTestFailed(f"{TAG}: the new key gives another tag each time")
    if len({*blocks, *tags}) != 2 * NUMBERS:
        raise SelfTestFailed(f"{TAG}: the new key does not tell blocks apart")
