"""``python -m tests.sheets.look OUTDIR [NAME…]``: the golden sheets as PDF and PNG, page by page, for human eyes.

Needs Chromium, a Japanese font and pdftoppm (Debian: chromium fonts-noto-cjk poppler-utils); no test does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .golden import FOLDER, SHEETS

_CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


def look(name: str, folder: Path) -> list[Path]:
    """One sheet's pages."""
    pdf = folder / f"{name}.pdf"
    page = (FOLDER / f"{name}.html").resolve().as_uri()
    subprocess.run(
        [*_CHROMIUM, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page], check=True, capture_output=True
    )
    subprocess.run(["pdftoppm", "-png", "-r", "80", str(pdf), str(folder / name)], check=True)
    return sorted(folder.glob(f"{name}-*.png"))


def main(arguments: list[str]) -> None:
    """All sheets, or those named."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name in arguments[1:] or SHEETS:
        print(f"{name}: {len(look(name, folder))} pages")


if __name__ == "__main__":
    main(sys.argv[1:])
