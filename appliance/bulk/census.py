"""The census of a job that is done: how many numbers are of which generation, for a retire plan to cite."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from appliance.bulk.folder import Checkpoint, Spec
from appliance.hubkit.wire import domain_of
from appliance.ledger import census
from appliance.ledger.census import Census

SUFFIX = ".census.json"


def path_of(output: Path) -> Path:
    """Where the census of a re-keying is."""
    return output.with_name(output.name + SUFFIX)


def document(spec: Spec, checkpoint: Checkpoint, input_sha: str, output_sha: str | None, ended: str) -> bytes:
    """The census's file.

    Every row counts once: one that cannot be split as malformed, one that was kept as empty.
    """
    counts = checkpoint.counts
    return census.encode(
        Census(
            type="kagimori/census/v1",
            anchor=spec.anchor or "",
            domain=domain_of(spec.target),
            generations=_generations(spec, checkpoint),
            neither=counts.get("unknown_number", 0),
            malformed=counts.get("malformed_number", 0) + counts.get("wrong_columns", 0),
            empty=counts.get("empty", 0) + counts.get("kept", 0),
            rows=checkpoint.rows,
            input_sha256=input_sha,
            output_sha256=output_sha,
            reference=spec.reference,
            purpose=spec.purpose,
            began=spec.began,
            ended=ended,
        )
    )


def _generations(spec: Spec, checkpoint: Checkpoint) -> dict[str, int]:
    """After a re-keying, what passes as both and was left out still counts as of the old generation."""
    counts = checkpoint.counts
    if spec.kind == "census":
        return {name: counts.get(name, 0) for name in spec.generations}
    new = counts.get("converted", 0) + counts.get("already_current", 0)
    return {spec.source: counts.get("ambiguous", 0), spec.target: new}


def digest(data: bytes) -> str:
    """What a plan cites."""
    return sha256(data).hexdigest()
