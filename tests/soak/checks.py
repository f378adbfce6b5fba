"""After the soak: what clients received, held against the log on the disk, and the log against itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.ledger import servicekeys
from appliance.tlog import checkpoint as checkpoints
from tests.daemonkit import stored_entries
from tests.soak.notebook import Notebook
from tests.watchkit import root_of, verified
from tests.world import World

_COUNTS = ("count", "converted", "malformed", "unknown")


def faults_of_log(world: World, notebook: Notebook) -> Iterator[str]:
    """What is wrong with the records, nothing if nothing is."""
    entries = stored_entries(world.audit_directory)
    records = [json.loads(entry) for entry in entries]
    if [record["record"] for record in records] != list(range(1, len(records) + 1)):
        yield "the log has a gap"
        return
    if not records or records[-1]["kind"] != "stop":
        yield "the log does not end with the daemon's stop"
    yield from unrecorded(records, notebook)
    yield from uncounted(records, notebook)
    signed = verified(world, (world.audit_directory / "checkpoint").read_bytes())
    if signed.size != len(records) or signed.root != root_of(entries):
        yield f"the last checkpoint is about {signed.size} records, the log has {len(records)}"


def unrecorded(records: list[dict[str, Any]], notebook: Notebook) -> Iterator[str]:
    """Every answer has its record, with its reference, generations and counts."""
    for one in notebook.answered:
        record = records[one.record - 1] if one.record <= len(records) else {}
        told = (record.get("reference"), record.get("source"), record.get("target"))
        if told != (one.reference, one.source, one.target) or tuple(map(record.get, _COUNTS)) != one.counts:
            yield f"{one.reference}: answered, and record {one.record} does not say so"


def uncounted(records: list[dict[str, Any]], notebook: Notebook) -> Iterator[str]:
    """The records of each stream count at least the lines that were received; of one that came to its end, as many."""
    counted: Counter[tuple[str, str]] = Counter()
    for record in records:
        if record["kind"] == "conversion" and record["stream"] is not None:
            counted[record["reference"], record["target"]] += record["count"]
    for one in notebook.streamed:
        logged = counted[one.reference, one.target]
        if logged < one.lines or (one.broken is None and logged != one.lines):
            yield f"{one.reference}: {one.lines} lines were received, the log has {logged}"


def oversight_says(world: World, copy: Path) -> Iterator[str]:
    """While the daemon runs: the log exported over its socket and verified offline, as the oversight body would."""
    tool = [sys.executable, "-m", "appliance.cli", "oversight"]
    steps = (
        [*tool, "export", str(copy), "--socket", str(world.socket("oversight"))],
        [*tool, "verify", str(copy), "--anchor", world.anchor],
    )
    for step in steps:
        done = subprocess.run(step, env=world.env, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            yield f"oversight {step[4]}: exit code {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"
            return


def log_keys(world: World) -> tuple[str, ...]:
    """The verifier keys of the world's log."""
    origin = f"kagimori/log/{world.anchor[:16]}/main"
    return tuple(str(checkpoints.key(origin, raw)) for raw in servicekeys.log_keys(world.state()).values())
