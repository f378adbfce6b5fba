"""The daemon's log: one short line an event on stderr, ``time level event key=value …``. Never a number."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path


def info(event: str, **facts: object) -> None:
    """Something happened as it should."""
    _write("INFO", event, facts)


def warning(event: str, **facts: object) -> None:
    """Something went wrong; the daemon goes on."""
    _write("WARNING", event, facts)


def error(event: str, **facts: object) -> None:
    """Something went wrong that somebody must see to."""
    _write("ERROR", event, facts)


def defect(event: str, fault: BaseException) -> None:
    """An unexpected exception: its type and place only, for its text might quote what a caller sent."""
    steps = traceback.extract_tb(fault.__traceback__)[-3:]
    places = " < ".join(f"{Path(step.filename).name}:{step.lineno} {step.name}" for step in reversed(steps))
    _write("ERROR", event, {"type": type(fault).__name__, "at": places})


def _write(level: str, event: str, facts: dict[str, object]) -> None:
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = [time, level, event, *(f"{key}={_value(value)}" for key, value in facts.items())]
    with contextlib.suppress(OSError):  # nobody reads it any more
        print(" ".join(words), file=sys.stderr, flush=True)


def _value(value: object) -> str:
    """As it is if it is one plain word, else quoted, on one line."""
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(' "=') & set(text)
    return text if plain and text else json.dumps(text, ensure_ascii=False)
