"""Verifying a whole copy, offline and without a word from the appliance: everything that is wrong with it.

Bundles are examined in processes of their own, stretch by stretch; what the stretches tell is judged here in their
order, so memory stays constant. One fault hides no other: what can still be checked is checked.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.ledger.errors import LedgerError
from appliance.ledger.order import Order
from appliance.oversight import trust as trusts
from appliance.oversight.copy import CHECKPOINT, COSIGNED, LEDGER, Copy
from appliance.oversight.errors import FolderUnusable, PieceMissing, PieceWrong
from appliance.oversight.trust import Trust
from appliance.oversight.verify import levels, listing, signatures
from appliance.oversight.verify.findings import Findings
from appliance.oversight.verify.part import BUNDLES, Part, examine
from appliance.oversight.verify.signatures import Vouched
from appliance.oversight.verify.story import Story, Told
from appliance.progress import Show, silent
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.note import VerifierKey
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, tile_of

SPARE = 1_024  # bundles: an unsigned size may claim so many more than there are, and is then believed no further


@dataclass
class Verified:
    """What was found out. ``checkpoint``, ``cosigned``: None where there is none that could be read."""

    findings: Findings
    trust: Trust | None = None
    checkpoint: Vouched | None = None
    cosigned: Vouched | None = None
    told: Told = field(default_factory=Told)
    records: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return self.findings.found == 0


@dataclass(frozen=True)
class Demands:
    """What the copy is held against besides itself.

    ``witnesses``: each must have co-signed. ``orders``: by digest. ``seen``: checkpoints from elsewhere, by name, that
    this log must have had.
    """

    witnesses: tuple[VerifierKey, ...] = ()
    orders: Mapping[str, Order] = field(default_factory=dict)
    seen: Mapping[str, Checkpoint] = field(default_factory=dict)


def verify(directory: Path, anchor: str, demands: Demands, *, jobs: int = 1, show: Show = silent) -> Verified:
    """Everything about the copy in ``directory``.

    Args:
        directory: an exported copy.
        anchor: the pinned trust anchor of its ledger.
        demands: what else it must fit.
        jobs: how many processes examine the records; 1: none besides this one.
        show: is told of records done.

    Raises:
        FolderUnusable: there is no such folder.
    """
    copy = Copy(directory)
    result = Verified(Findings())
    result.trust = _ledger(copy, anchor, result.findings)
    result.checkpoint = _signed(copy, CHECKPOINT, result, demands)
    if result.checkpoint is None:
        return result
    checkpoint = result.checkpoint.checkpoint
    bundles = listing.check(directory, checkpoint.size, result.findings)
    if result.checkpoint.key is None and listing.bundles_in(checkpoint.size) > 2 * bundles + SPARE:
        what = f"claims {checkpoint.size} records, and only {bundles} bundles are there; nothing more is looked at"
        result.findings.add(CHECKPOINT, what)
        return result
    _records(copy, checkpoint, result, demands, jobs, show)
    _others(copy, result, demands)
    return result


def _ledger(copy: Copy, anchor: str, findings: Findings) -> Trust | None:
    try:
        return trusts.of(copy.ledger(), anchor)
    except LedgerError as error:
        findings.add(LEDGER, error.message)
        return None


def _signed(copy: Copy, name: str, result: Verified, demands: Demands) -> Vouched | None:
    try:
        data = copy.checkpoint() if name == CHECKPOINT else copy.cosigned()
    except (PieceMissing, PieceWrong, FolderUnusable) as error:
        result.findings.add(name, error.message.removeprefix(f"{name}: "))
        return None
    if data is None:
        return None
    return signatures.check(data, name, result.trust, demands.witnesses, result.findings)


def _records(copy: Copy, checkpoint: Checkpoint, result: Verified, demands: Demands, jobs: int, show: Show) -> None:
    """Every bundle and level-0 tile in parts, then the levels above."""
    story = Story(result.trust.entries if result.trust else None, demands.orders, result.findings)
    result.told = story.told
    above: list[bytes] = []
    missing: list[int] = []
    bundles = listing.bundles_in(checkpoint.size)
    stretches = [(first, min(first + BUNDLES, bundles)) for first in range(0, bundles, BUNDLES)]
    with _parts(copy, checkpoint.size, stretches, jobs) as parts:
        for part, (_, last) in zip(parts, stretches, strict=True):
            _take(part, story, result)
            above.extend(part.above)
            missing.extend(part.missing)
            show(min(last * TILE_WIDTH, checkpoint.size), checkpoint.size)
    story.end()
    _missing(missing, checkpoint.size, story.told.pruned, result.findings)
    levels.check(copy, checkpoint, above, result.findings)


def _take(part: Part, story: Story, result: Verified) -> None:
    result.records += part.records
    result.findings.extend(part.findings, part.omitted)
    held = [index for index in range(part.first, part.first + BUNDLES) if index not in part.missing]
    story.begin(part.begin, part.latest, part.latest_record, held[0] * TILE_WIDTH + 1 if held else 0)
    for event in part.events:
        story.take(event)


@contextmanager
def _parts(copy: Copy, size: int, stretches: Sequence[tuple[int, int]], jobs: int) -> Iterator[Iterable[Part]]:
    asked = [(str(copy.directory), size, first, last) for first, last in stretches]
    if jobs <= 1 or len(asked) <= 1:
        yield (examine(*one) for one in asked)
        return
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(asked))) as pool:
        yield pool.imap(_examine, asked)


def _examine(asked: tuple[str, int, int, int]) -> Part:
    return examine(*asked)


def _missing(missing: Sequence[int], size: int, pruned: int, findings: Findings) -> None:
    """Bundles may be missing only where the log itself says that all their records were pruned."""
    for index in missing:
        tile = tile_of(ENTRIES, index, size)
        first, last = index * TILE_WIDTH + 1, index * TILE_WIDTH + tile.width
        if last >= pruned:
            findings.add(tile.path, f"is missing (records {first} to {last}); no record says that they were pruned")


def _others(copy: Copy, result: Verified, demands: Demands) -> None:
    """The co-signed checkpoint, those seen elsewhere, and the demanded witnesses."""
    result.cosigned = _signed(copy, COSIGNED, result, demands)
    if result.cosigned is not None:
        levels.require_root(copy, result.cosigned.checkpoint, result.findings, COSIGNED)
    for name, seen in demands.seen.items():
        if result.checkpoint is not None and seen.origin != result.checkpoint.checkpoint.origin:
            result.findings.add(name, f"is of the log {seen.origin}, not of the copy's")
            continue
        levels.require_root(copy, seen, result.findings, name)
    vouched = [one for one in (result.checkpoint, result.cosigned) if one is not None]
    signed = {(one.name, one.kind) for each in vouched for one in each.cosignatures}
    for key in demands.witnesses:
        if (key.name, key.kind) not in signed:
            result.findings.add(COSIGNED, f"no cosignature of the witness key {key.name}+{key.key_id.hex()}")
