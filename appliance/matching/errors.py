"""What matching cannot go on after."""

from __future__ import annotations

from appliance.errors import KagimoriError


class MatchingStopped(KagimoriError):
    """A process that read a part of the register ended before it was done."""

    def __init__(self) -> None:
        super().__init__(
            "a process that reads the register has ended; nothing was matched",
            "match again; if the machine is short of memory, with fewer processes",
        )
