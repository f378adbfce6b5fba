"""What a web server says on stderr: one short line an event. Never who asked, and never what was asked for."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path


def said(event: str, **facts: object) -> None:
    """Something that whoever runs the server should know."""
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = [time, event, *(f"{key}={json.dumps(str(value), ensure_ascii=False)}" for key, value in facts.items())]
    with contextlib.suppress(OSError):  # nobody reads it any more
        print(" ".join(words), file=sys.stderr, flush=True)


def defect(fault: BaseException) -> None:
    """An unexpected exception: its type and place only, for its text might quote what somebody sent."""
    steps = traceback.extract_tb(fault.__traceback__)[-3:]
    places = " < ".join(f"{Path(step.filename).name}:{step.lineno} {step.name}" for step in reversed(steps))
    said("defect", type=type(fault).__name__, at=places)
