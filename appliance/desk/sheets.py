"""How the desk's pages are rendered: in the frame of all web pages, with the report's charts and their style."""

from __future__ import annotations

import re
from hashlib import sha256
from importlib import resources

from markupsafe import Markup

from appliance.bilingual import Language
from appliance.web.pages import Pages

_REPORT = resources.files("appliance.oversight.report").joinpath("templates")
_NUMBER = re.compile(r"([1-9][0-9]{0,2}(?:,[0-9]{3})*|[1-9][0-9]*)(?:–[0-9,]+)?", re.ASCII)


class DeskPages(Pages):
    """The pages of the desk; their style sheet is that of all web pages, the report's charts, and the desk's own."""

    def __init__(self, package: str, *, default: Language) -> None:
        patterns = Markup(_REPORT.joinpath("patterns.svg").read_text("utf-8"))  # noqa: S704 -- a file of this package
        super().__init__(package, default=default, facts={"patterns": patterns})
        own = resources.files(package).joinpath("templates/desk.css").read_text("utf-8")
        self.style = "\n".join((self.style, _REPORT.joinpath("charts.css").read_text("utf-8"), own))
        self.style_path = f"/style/{sha256(self.style.encode()).hexdigest()[:16]}.css"


def record_of(text: str) -> int:
    """The record that a cell such as ``1,234`` or ``1,234–1,300`` begins with; 0: it names none."""
    found = _NUMBER.fullmatch(text)
    return int(found[1].replace(",", "")) if found else 0
