"""What happened in the demo, in numbers: ``summary.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from layout import Layout


@dataclass
class Summary:
    """Counts of people, questions and records. ``figures``: each line of the scheme's figures, and what shows it."""

    residents: int
    common_numbers: int = 0
    linking: dict[str, dict[str, int]] = field(default_factory=dict)
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    second_round: dict[str, int] = field(default_factory=dict)
    checked_pairs: int = 0
    exchanges: dict[str, int] = field(default_factory=dict)
    batch: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    hub_lines: int = 0
    rotation: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    sign_ins: dict[str, str] = field(default_factory=dict)
    history: dict[str, int] = field(default_factory=dict)
    desk: dict[str, int] = field(default_factory=dict)
    cosigned: int = 0
    figures: dict[str, dict[str, str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def write(self, layout: Layout) -> None:
        """Write it; done last, so that its presence means a whole demo."""
        layout.summary.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def in_words(outcomes: Mapping[str, int]) -> str:
    """``12 answered, 3 unknown to holder``, the most frequent first."""
    ordered = sorted(outcomes.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in ordered)
