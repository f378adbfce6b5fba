"""The report as one self-contained HTML page: everything escaped, nothing fetched, no script, fit to print."""

from __future__ import annotations

from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from appliance.commandline import visible
from appliance.qualify.runner import Report
from appliance.qualify.table import GROUPS
from appliance.qualify.text import FACTS
from appliance.qualify.verdict import by_reason, headline
from appliance.token.trials.findings import Result

_CLASSES = {
    Result.PASSED: "passed",
    Result.MISSING: "missing",
    Result.DIFFERS: "differs",
    Result.NOT_TRIED: "untried",
}


def render(report: Report) -> bytes:
    """The whole page, UTF-8."""
    groups = [(GROUPS[name], list(rows)) for name, rows in groupby(report.rows, key=lambda row: row.check.group)]
    text = _ENVIRONMENT.get_template("page.html.j2").render(
        report=report,
        verdict=report.verdict,
        untried=by_reason(report.verdict.untried),
        headline=headline(report.verdict),
        facts=[(name, report.token[key]) for name, key in FACTS],
        made=f"{report.made:%Y-%m-%d %H:%M}",
        groups=groups,
        classes=_CLASSES,
    )
    return text.encode("utf-8")


_ENVIRONMENT = Environment(
    loader=PackageLoader("appliance.qualify"),
    autoescape=True,
    finalize=lambda value: visible(value) if type(value) is str else value,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
