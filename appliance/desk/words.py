"""The words of the desk: its own first, then those of all web pages, then those of the report, whose parts it shows."""

from __future__ import annotations

from appliance.bilingual import Filled, Language
from appliance.oversight.report.findings import Amount
from appliance.oversight.report.words import Words
from appliance.web import wording

PACKAGE = "appliance.desk"


class DeskWords(Words):
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        super().__init__(language)
        self._own = wording.texts(PACKAGE)

    def __call__(self, key: str, /, **amounts: Amount) -> str:
        """As `Words`."""
        own = self._own.get(key)
        if own is None:
            return super().__call__(key, **amounts)
        filled = {name: Filled(self.amount(value), value == 1) for name, value in amounts.items()}
        return own.of(self.language).format(**filled)

    def known(self, key: str) -> str | None:
        """As `Words`."""
        return self(key) if key in self._own else super().known(key)
