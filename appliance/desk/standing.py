"""What the desk knows at a moment: the newest view, what the daemon says, what waits, and what is in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from appliance.desk.ceremonies import Ceremonies
from appliance.desk.looking import View

Part = Literal["daemon", "log", "ceremony"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that does not work, since when, and why. ``alarm``: somebody must ask, not only wait."""

    part: Part
    since: datetime
    message: str
    hint: str
    alarm: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """Replaced as a whole, never changed. ``status``: the daemon's own ``/v1/status``, the last that there was.

    ``fresh``: when the view was last known to be the newest; ``asked``: when ``keyceremony`` last answered.
    """

    began: datetime
    view: View | None = None
    fresh: datetime | None = None
    status: Mapping[str, Any] | None = None
    ceremonies: Ceremonies | None = None
    asked: datetime | None = None
    troubles: Mapping[Part, Trouble] = field(default_factory=dict)

    @property
    def alarmed(self) -> bool:
        """Whether anything is an alarm."""
        return any(trouble.alarm for trouble in self.troubles.values())

    @property
    def told(self) -> tuple[Trouble, ...]:
        """The troubles, alarms first; of several with one cause only the first."""
        ordered = sorted(self.troubles.values(), key=lambda one: (not one.alarm, one.part != "log"))
        return tuple({one.message: one for one in reversed(ordered)}.values())[::-1]
