"""What python-pkcs11 fails at while it clears up after an error is told to nobody; the error itself is.

A search that could not begin is ended once more when the interpreter frees it. On a token that is gone that fails as
well, in a place that nobody can catch, and Cython prints two tracebacks: by `sys.excepthook` and `sys.unraisablehook`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

from pkcs11 import PKCS11Error


def silence() -> None:
    """Keep such errors off the screen and out of the log from now on; all others are told as before."""
    if getattr(sys.unraisablehook, "__module__", None) != __name__:
        sys.unraisablehook = _unraisable(sys.unraisablehook)
        sys.excepthook = _uncaught(sys.excepthook)


def _unraisable(tell: Callable[[sys.UnraisableHookArgs], object]) -> Callable[[sys.UnraisableHookArgs], None]:
    def told(error: sys.UnraisableHookArgs) -> None:
        if not _is_leftover(error.exc_type, error.exc_traceback):
            tell(error)

    return told


def _uncaught(
    tell: Callable[[type[BaseException], BaseException, TracebackType | None], object],
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not _is_leftover(kind, trace):
            tell(kind, error, trace)

    return told


def _is_leftover(kind: type[BaseException], trace: TracebackType | None) -> bool:
    """Whether it is the library's, and began where the interpreter frees its search, not where we called it."""
    return issubclass(kind, PKCS11Error) and trace is not None and trace.tb_frame.f_code.co_name.endswith("._finalize")
