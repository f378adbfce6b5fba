"""Rendering: one self-contained HTML file, everything escaped, nothing fetched, no script."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from appliance.oversight.report import (
    sections_head,
    sections_marks,
    sections_orders,
    sections_trust,
    sections_use,
    sections_watch,
)
from appliance.oversight.report.blocks import Section
from appliance.oversight.report.moments import day_text
from appliance.oversight.report.subject import Subject


def sections(subject: Subject) -> tuple[Section, ...]:
    """Every section, in the order of the page."""
    return (
        sections_watch.unusual(subject),
        sections_watch.days(subject),
        sections_use.pairs(subject),
        sections_use.roles(subject),
        sections_use.week(subject),
        sections_use.outcomes(subject),
        sections_watch.refusals(subject),
        sections_watch.callers(subject),
        sections_orders.orders(subject),
        sections_watch.looked_up(subject),
        sections_marks.marked(subject),
        sections_trust.keys(subject),
        sections_trust.ceremonies(subject),
        sections_trust.operation(subject),
        sections_trust.cosignatures(subject),
        sections_head.rules(subject),
    )


def render(subject: Subject, command: str) -> bytes:
    """The whole page; ``command`` is what verifies everything else."""
    text = _ENVIRONMENT.get_template("page.html.j2").render(
        t=subject.t,
        subject=subject,
        first=day_text(subject.first),
        last=day_text(subject.last),
        made=f"{subject.made.astimezone(subject.clock.zone):%Y-%m-%d %H:%M}",
        checks=sections_head.checks(subject),
        tiles=tuple(sections_head.tiles(subject)),
        sections=sections(subject),
        command=command,
    )
    return text.encode("utf-8")


def css_string(text: str) -> str:
    """Text as a CSS string (CSS Syntax Level 3, section 4.3.7): whatever is not a letter or digit as an escape."""
    return "".join(letter if letter.isalnum() or letter in " ." else f"\\{ord(letter):06x}" for letter in text)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("appliance.oversight.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["css_string"] = css_string
    return made


_ENVIRONMENT = _environment()
