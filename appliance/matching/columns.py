"""Records as columns of numbers, so that millions are compared in arrays: every text as 64 bits of a keyed hash.

Two texts that differ have one hash with a probability of 2⁻⁶⁴. A million asked for against 127 million residents are
10¹⁴ pairs: the chance that any name among them is taken for another is 7 in a million. A hash of 0 means: not said.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from appliance.matching import addresses, names

Record = tuple[str, str, str, str]  # name, address, birth date, sex
Columns = npt.NDArray[np.void]
Hashes = npt.NDArray[np.uint64]
_Hash = Callable[[str], bytes]

DTYPE = np.dtype(
    [
        ("name", np.uint64),  # as typed
        ("folded", np.uint64),
        ("given", np.uint64),
        ("address", np.uint64),  # as typed
        ("town", np.uint64),  # where few enough live to be a neighbourhood
        ("lot", np.uint64),  # town and numbers
        ("building", np.uint64),
        ("room", np.uint64),
        ("birth", np.int32),  # 19700131
        ("sex", np.uint8),
        ("prefecture", np.uint8),
    ]
)
_MALE = "男"


_REST = struct.Struct("=iBB")


def new_key() -> bytes:
    """A key for the hashes of one run, so that nobody can prepare texts that collide."""
    return secrets.token_bytes(hashlib.blake2b.SALT_SIZE)


def read(records: Iterable[Record], key: bytes) -> Columns:
    """One row of `DTYPE` for each record."""

    def once(text: str) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=8, salt=key).digest() if text else bytes(8)

    often = lru_cache(maxsize=1 << 15)(once)  # for what many records share
    return np.frombuffer(b"".join(_row(record, once, often) for record in records), DTYPE)


def _row(record: Record, once: _Hash, often: _Hash) -> bytes:
    name, address = names.read(record[0]), addresses.read(record[1])
    lot = f"{address.town} {address.lot}" if address.lot else ""
    rest = _REST.pack(int(record[2].replace("-", "")), record[3] == _MALE, address.prefecture)
    people = once(name.plain) + once(name.folded) + often(name.given)
    places = once(address.plain) + often(address.town if address.narrow else "") + once(lot)
    return people + places + often(address.building) + often(address.room) + rest


def mixed(*columns: npt.NDArray[np.generic]) -> Hashes:
    """One hash of several columns; 0 where the first is 0."""
    first, *others = columns
    result = first.astype(np.uint64)
    for column in others:
        result = _stirred(result ^ _stirred(column.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)))
    return np.where(first == 0, np.uint64(0), result)


def _stirred(value: Hashes) -> Hashes:
    """The finalizer of SplitMix64."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
