"""What the desk's pages are made of, besides the blocks of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from appliance.oversight.report.blocks import Block as ReportBlock
from appliance.oversight.report.sections_head import Told

Judgement = Literal["good", "wait", "bad", "plain"]


@dataclass(frozen=True, slots=True)
class Light:
    """One fact of the overview, judged; ``link``: the page that says more."""

    name: str
    judgement: Judgement
    value: str
    note: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Lights:
    """The facts, side by side."""

    lights: tuple[Light, ...]
    block = "lights"


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value; ``code``: something of log, ledger or a plan, as it says it."""

    name: str
    value: str
    code: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, below each other."""

    facts: tuple[Fact, ...]
    block = "facts"


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text as it is, line by line. ``command``: to be typed; ``folded``: long, and rarely read."""

    caption: str
    text: str
    command: bool = False
    folded: bool = False
    block = "verbatim"


@dataclass(frozen=True, slots=True)
class Aloud:
    """Groups of words to be read aloud, the last of which is typed."""

    caption: str
    groups: tuple[str, ...]
    block = "aloud"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that must not be overlooked."""

    judgement: Judgement
    text: str
    block = "notice"


@dataclass(frozen=True, slots=True)
class Checks:
    """What was verified."""

    told: tuple[Told, ...]
    block = "checks"


Block = ReportBlock | Lights | Facts | Verbatim | Aloud | Notice | Checks


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page with a heading; ``name`` is its anchor as well."""

    name: str
    title: str
    lead: str
    blocks: tuple[Block, ...]
