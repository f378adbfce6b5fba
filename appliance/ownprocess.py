"""How a process of Kagimori's own is started: a fresh interpreter (never a fork), with the same code as this one's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE_ROOT = Path(__file__).resolve().parents[1]


def command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs a module of ours, wherever its code lies; needs `environment`."""
    return sys.executable, "-P", "-m", module, *arguments


def environment(**more: str) -> dict[str, str]:
    """This process's environment, ``more`` added, in which our modules are found."""
    path = (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))
    return {**os.environ, **more, "PYTHONPATH": os.pathsep.join(filter(None, path))}
