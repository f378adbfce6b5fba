"""What a page shows of a record's proof: the bytes, the hashes on the way up, the signed trees they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from appliance.hubkit.history import PastConversion
from appliance.portal.proof import Judged, Standing
from appliance.tlog import merkle
from appliance.web.wording import Words


@dataclass(frozen=True, slots=True)
class Tree:
    """A signed tree and the way to its root, in hex. ``key``: of its heading."""

    key: str
    size: int
    root: str
    path: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Proof:
    """``entry``: the record as logged; ``by``: who co-signed, with the time."""

    entry: str
    leaf: str
    trees: tuple[Tree, ...]
    by: tuple[str, ...]


def shown_proof(t: Words, one: PastConversion, judged: Judged) -> Proof:
    """The proof of a record, the co-signed tree first."""
    history, trees = judged.history, []
    if history.cosigned is not None and one.cosigned_proof is not None:
        tree = history.cosigned
        trees.append(
            Tree("record.tree_cosigned", tree.size, tree.root.hex(), _hex(one.cosigned_proof), tree.checkpoint)
        )
    trees.append(Tree("record.tree", history.size, history.root.hex(), _hex(one.proof), history.checkpoint))
    entry = t.shown(one.entry.decode("utf-8", "replace"))
    return Proof(entry, merkle.leaf_hash(one.entry).hex(), tuple(trees), _by(t, one, judged))


def _by(t: Words, one: PastConversion, judged: Judged) -> tuple[str, ...]:
    if judged.cosigned is None or judged.standing(one) is not Standing.COSIGNED:
        return ()
    pairs = zip(judged.cosigned.by, judged.cosigned.at, strict=True)
    return tuple(t("record.by_at", name=name, at=t.moment(datetime.fromtimestamp(at, UTC))) for name, at in pairs)


def _hex(hashes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(one.hex() for one in hashes)
