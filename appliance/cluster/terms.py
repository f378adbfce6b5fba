"""What a job asks of every appliance, the same for all its partitions. It never says where an appliance is."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.cluster.errors import JobRefused

ROOT = "resident"  # the one domain without key generations: its numbers are enciphered by nobody


@dataclass(frozen=True)
class Terms:
    """One column's conversion from one key generation to another.

    ``source`` and ``target`` name generations (``sspin.C.1``, or ``resident``). A domain's current generation may
    change while a job runs, and half a column of either helps nobody.
    ``order``: a disclosure order (CMS, DER), empty for none.

    Raises:
        JobRefused: a domain without a generation.
    """

    column: str
    source: str
    target: str
    purpose: str
    reference: str
    order: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        for name in (self.source, self.target):
            _, _, last = name.rpartition(".")
            if name != ROOT and not (last.isascii() and last.isdigit()):
                raise JobRefused(
                    f"{name} is a domain; a job names the key generation",
                    f"such as {name}.1: GET /v1/domains of your role's socket says which one is current",
                )

    @property
    def error_column(self) -> str:
        """The column that says why a number was not converted."""
        return f"{self.column}_error"
