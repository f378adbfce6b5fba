"""How an oversight command ended, for tests that run one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ran:
    """Exit code, and what was said on stdout and stderr."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]
