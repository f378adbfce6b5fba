"""Why a qualification does not begin, or does not come to its end."""

from __future__ import annotations

from typing import ClassVar

from appliance.token.errors import TokenError


class ScratchLeft(TokenError):
    """Scratch objects of another run are on the token."""


class ScratchStays(TokenError):
    """What this run made could not be removed."""


class WorkerFailed(TokenError):
    """The process that talks to the token ended before it could log in."""


class LoginRefused(TokenError):
    """Logging in failed; nothing was tried."""

    exit_code: ClassVar[int] = 5
