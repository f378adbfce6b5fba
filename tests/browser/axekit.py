"""What axe-core finds on a page that keeps somebody from using it (WCAG 2.2 A and AA, and its best practices)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.browser.webdriverkit import Browser

_RUN = """
const found = await axe.run(document, {resultTypes: ["violations"]});
return {
  violations: found.violations.map(one => ({
    rule: one.id, impact: one.impact, help: one.help,
    places: one.nodes.map(node => node.target.join(" ") + ": " + node.failureSummary.split("\\n").slice(1).join("; ")),
  })),
  checked: found.passes.length,
};
"""


@dataclass(frozen=True)
class Finding:
    """One rule that a page breaks."""

    rule: str
    impact: str  # minor, moderate, serious, critical
    help: str
    places: tuple[str, ...]

    @property
    def grave(self) -> bool:
        """Whether it shuts people out."""
        return self.impact in ("serious", "critical")


def findings(browser: Browser, axe: Path) -> list[Finding]:
    """Everything axe finds on the page that is open.

    Raises:
        AssertionError: it looked at nothing.
    """
    browser.run(axe.read_text(encoding="utf-8"))
    told = browser.run(f"return (async () => {{{_RUN}}})()")
    assert told["checked"] > 5, "axe has hardly looked at the page"
    return [Finding(one["rule"], one["impact"], one["help"], tuple(one["places"])) for one in told["violations"]]


def grave(browser: Browser, axe: Path) -> list[Finding]:
    """Only what is serious or critical."""
    return [one for one in findings(browser, axe) if one.grave]
