"""What a rehearsal refuses, one named error per control."""

from __future__ import annotations

from keyceremony.errors import CeremonyError


class NotThrowAway(CeremonyError):
    """The token module, its configuration or the folder is not one that a rehearsal may touch."""


class TokenNotMade(CeremonyError):
    """SoftHSM's tool is missing, or could not make a throw-away token."""


class RehearsalFailed(CeremonyError):
    """An entry could not be carried out on the throw-away tokens; says which one and why."""


class RehearsalDiffers(CeremonyError):
    """The rehearsal came to another state than the original; names every difference."""
