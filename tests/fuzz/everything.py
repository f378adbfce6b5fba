"""All targets, by room."""

from __future__ import annotations

from tests.fuzz import (
    targets_asking,
    targets_files,
    targets_frames,
    targets_ledger,
    targets_log,
    targets_marks,
    targets_tables,
)
from tests.fuzz.target import Target

TARGETS: tuple[Target, ...] = (
    *targets_frames.TARGETS,
    *targets_ledger.TARGETS,
    *targets_log.TARGETS,
    *targets_marks.TARGETS,
    *targets_asking.TARGETS,
    *targets_files.TARGETS,
    *targets_tables.TARGETS,
)
