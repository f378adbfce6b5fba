"""Rendering: one self-contained HTML file, everything escaped, nothing fetched, no script."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from keyceremony.sheets.blocks import Code
from keyceremony.sheets.people import certificate_words
from keyceremony.sheets.wording import Wording


@dataclass(frozen=True)
class Running:
    """What stands on every page: above left and right, and below left."""

    left: str
    right: str
    below: str


@dataclass(frozen=True)
class Sheet:
    """A whole sheet in one language. ``content`` is what the template named ``template`` prints."""

    t: Wording
    title: str
    rehearsal: bool
    running: Running
    template: str
    content: object


def render(*sheets: Sheet) -> bytes:
    """The sheets one after the other, each beginning on a page of its own."""
    text = _ENVIRONMENT.get_template("page.html.j2").render(sheets=sheets)
    return text.encode("utf-8")


def css_string(text: str) -> str:
    """Text as a CSS string (CSS Syntax Level 3, section 4.3.7): whatever is not a letter or digit as an escape."""
    return "".join(letter if letter.isalnum() or letter in " ." else f"\\{ord(letter):06x}" for letter in text)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("keyceremony.sheets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["css_string"] = css_string
    made.filters["certificate_words"] = certificate_words
    made.tests["code"] = lambda value: isinstance(value, Code)
    return made


_ENVIRONMENT = _environment()
