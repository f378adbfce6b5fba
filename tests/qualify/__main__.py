"""``python -m tests.qualify``: qualifies every token that can be had here, and says which could not be tried, and why.

The reports go to var/qualification; with ``--write-docs`` as text and page to docs/qualification as well. The exit
code is 1 if a token is not what it is known to be.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests import vendorkit
from tests.qualify import docs
from tests.vendorkit import PROJECT, NotHere, Vendor

REPORTS = PROJECT / "var" / "qualification"
DOCS = PROJECT / "docs" / "qualification"
KNOWN = {
    "SoftHSM2": "Fit for production.",
    "openCryptoki": "serves for trials alone.",
    "NSS softokn": "serves for trials alone.",
}


def main(words: list[str]) -> int:
    """Qualify them all; the exit code."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    tokens: dict[str, Callable[[Path], Any]] = {"SoftHSM2": lambda folder: nullcontext(vendorkit.softhsm2(folder))}
    right = [_one(name, make) for name, make in {**tokens, **vendorkit.VENDORS}.items()]
    if "--write-docs" in words:
        DOCS.mkdir(exist_ok=True)
        for report in (*REPORTS.glob("*.txt"), *REPORTS.glob("*.html")):
            shutil.copyfile(report, DOCS / report.name)
        docs.write()
    return 0 if all(right) else 1


def _one(name: str, make: Callable[[Path], Any]) -> bool:
    """Whether it is what it is known to be, or could not be tried."""
    print(f"{name}: …", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with make(Path(folder) / "token") as vendor:
                return _report(vendor)
        except NotHere as why:
            print(f"{name}: COULD NOT BE TRIED: {why}")
            return True


def _report(vendor: Vendor) -> bool:
    stem = vendor.name.split()[0].lower()
    done = vendor.qualify("--html", str(REPORTS / f"{stem}.html"), "--json", str(REPORTS / f"{stem}.json"))
    (REPORTS / f"{stem}.txt").write_text(done.stdout, "utf-8")
    head = done.stdout.partition("VERDICT")[2].partition("\n\n")[0]
    verdict = " ".join(head.split())
    print(f"{vendor.name}: {verdict or done.stderr.strip()}", flush=True)
    return verdict.endswith(KNOWN[vendor.name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
