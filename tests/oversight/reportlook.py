"""``python -m tests.oversight.reportlook FOLDER``: the believable copy, its reports, and pictures of them.

Needs Chromium, a Japanese font and pdftoppm (Debian: chromium fonts-noto-cjk poppler-utils); no test does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from reportkit import NOW, write
from reportworld import orders

from appliance.oversight.report.make import Wanted, make
from appliance.oversight.report.words import LANGUAGES

_CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


def look(page: Path) -> None:
    """Pictures of a page: on a desk, on a telephone, and on paper."""
    uri, stem = page.resolve().as_uri(), page.with_suffix("")
    for name, size in (("desk", "1200,11000"), ("phone", "500,14000")):
        options = ("--hide-scrollbars", f"--window-size={size}", f"--screenshot={stem}-{name}.png")
        subprocess.run([*_CHROMIUM, *options, uri], check=True, capture_output=True)
    pdf = f"{stem}.pdf"
    subprocess.run(
        [*_CHROMIUM, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", uri], check=True, capture_output=True
    )
    subprocess.run(["pdftoppm", "-png", "-r", "90", pdf, f"{stem}-paper"], check=True)


def main(folder: Path) -> None:
    """A copy, two reports, and their pictures."""
    anchor = write(folder / "copy")
    for language in LANGUAGES:
        wanted = Wanted(language, orders=tuple(folder / name for name in orders()))
        made = make(folder / "copy", anchor, wanted, now=NOW)
        page = folder / f"report-{language}.html"
        page.write_bytes(made.page)
        print(page, len(made.page), *(f"{one.when} {one.kind}" for one in made.findings if one.grave), sep="\n  ")
        look(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
