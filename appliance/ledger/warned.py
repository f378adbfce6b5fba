"""What a parser only warns of counts as refused: for the thread that reads, although warnings are the process's.

Python has one list of warning filters and one place that shows them (`warnings`). To have them raised would raise other
threads' warnings as well, and two readers at once would put back each other's filters.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_TURN = threading.RLock()


@contextmanager
def refused() -> Iterator[None]:
    """One thread at a time; another thread's warnings go where they went.

    Raises:
        Warning: at the end of the block, the first one of this thread in it.
    """
    own, told = threading.get_ident(), list[Warning]()
    with _TURN, warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if threading.get_ident() == own:
                told.append(message if isinstance(message, Warning) else category(message))
            else:
                others(message, category, filename, lineno, file, line)

        warnings.simplefilter("always")
        warnings.showwarning = show
        yield
    if told:
        raise told[0]
