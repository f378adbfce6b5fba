"""A key just made is tried: what a broken token would answer is noticed, for each kind of key by what it is for."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from appliance.numbers.domains import DomainTree, default_domains
from keyceremony.act.selftest import self_test
from keyceremony.errors import SelfTestFailed

TREE = DomainTree(default_domains())
KEY = bytes(range(32))


def aes(blocks: bytes) -> bytes:
    return Cipher(algorithms.AES(KEY), modes.ECB()).encryptor().update(blocks)


@pytest.mark.parametrize("name", ["spin", "common", "sspin.B", "tag"])
def test_a_good_key_passes(name: str) -> None:
    self_test(aes, name, TREE)


@pytest.mark.parametrize(
    ("name", "encrypt", "why"),
    [
        (
            "spin",
            lambda blocks: os.urandom(len(blocks)),
            "spin: a number enciphered with the new key does not come back",
        ),
        (
            "spin",
            lambda blocks: bytes([aes(blocks)[0] ^ 1]) + aes(blocks)[1:],
            "spin: the new key enciphers a block alone in another way than among others",
        ),
        ("tag", lambda blocks: os.urandom(len(blocks)), "tag: the new key gives another tag each time"),
        ("tag", lambda blocks: blocks, "tag: the new key does not tell blocks apart"),
        ("tag", lambda blocks: bytes(len(blocks)), "tag: the new key does not tell blocks apart"),
        ("tag", lambda blocks: aes(blocks[:16]) * (len(blocks) // 16), "tag: the new key gives another tag each time"),
    ],
)
def test_a_broken_one_does_not(name: str, encrypt: Callable[[bytes], bytes], why: str) -> None:
    with pytest.raises(SelfTestFailed) as refused:
        self_test(encrypt, name, TREE)
    assert refused.value.message == why
