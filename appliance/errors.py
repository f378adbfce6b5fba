"""The one base of every error a person is shown: what is wrong, and what to do next."""

from __future__ import annotations

from typing import ClassVar


class KagimoriError(Exception):
    """An error made to be read. ``message`` says what is wrong; ``hint`` what to do next.

    ``exit_code`` is what a command line ends with (documented in ``docs/commands.md``).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  → {self.hint}"
