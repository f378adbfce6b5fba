"""One record of the copy, with the proof that it is the log's: what a page about it shows, and a mark is about."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.audit.records import Record
from appliance.desk.errors import RecordNotHere
from appliance.oversight import trust as trusts
from appliance.oversight.authentic import AuthenticTree, place_of, read_record
from appliance.oversight.copy import Copy
from appliance.oversight.errors import PieceMissing
from appliance.oversight.trust import Trust
from appliance.tlog import merkle
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, tile_of


@dataclass(frozen=True, slots=True)
class Proven:
    """A record, and why it is believed. ``entry``: its bytes in the log; ``leaf``: their hash (RFC 6962, section 2.1).

    ``proof``: the hashes that lead from the leaf to the root of ``checkpoint``. ``place``: where it stands.
    """

    record: Record
    entry: bytes
    leaf: bytes
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    place: str


class Reader:
    """Records of a copy, each proven under its newest checkpoint."""

    def __init__(self, copy: Copy, trust: Trust) -> None:
        """Raises OversightError, TlogError: (a subclass) the copy has no checkpoint that holds."""
        self._checkpoint = trusts.verify(copy.checkpoint(), trust).checkpoint
        self._tree = AuthenticTree(copy.tile, self._checkpoint)

    def read(self, number: int) -> Proven:
        """The record of that number.

        Raises:
            RecordNotHere: there is none, or it is not in this copy.
            PieceWrong, RecordWrong: what is there is not the log's.
        """
        size = self._checkpoint.size
        if not 1 <= number <= size:
            raise RecordNotHere(f"there is no record {number}: the copy goes up to {size}")
        index, place = divmod(number - 1, TILE_WIDTH)
        try:
            entries, _ = self._tree.bundle(index)
        except PieceMissing:
            raise RecordNotHere(f"record {number} is not in this copy: it was removed after its retention") from None
        where = place_of(tile_of(ENTRIES, index, size), place)
        record = read_record(entries[place], number, where)
        proof = merkle.inclusion_proof(number - 1, size, self._tree.subtree)
        leaf = merkle.leaf_hash(entries[place])
        merkle.verify_inclusion(leaf, number - 1, size, proof, self._checkpoint.root)
        return Proven(record, entries[place], leaf, proof, self._checkpoint, where)
