"""The words on a sheet: every text in Japanese and English from ``wording.toml``, times and durations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta, timezone

from appliance import bilingual
from appliance.bilingual import Language, Text
from appliance.ledger.text import parse_instant

LANGUAGES: tuple[Language, ...] = ("ja", "en")
_JAPAN = timezone(timedelta(hours=9))  # no summer time


def texts() -> Mapping[str, Text]:
    """Every text by its key, ``section.name``."""
    return bilingual.texts(str(__package__))


class Wording:
    """The texts in one language. Called with a key and what is to be filled in."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """The text, filled in; it is plain text, not HTML.

        Raises:
            KeyError: no such text, or something to be filled in is missing.
        """
        return texts()[key].of(self.language).format(**values)

    def instant(self, text: str) -> str:
        """An instant of the ledger for people: UTC, in Japanese with the time in Japan."""
        moment = parse_instant("instant", text)
        shown = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
        return f"{shown}（日本時間 {moment.astimezone(_JAPAN):%m-%d %H:%M:%S}）" if self.language == "ja" else shown

    def duration(self, milliseconds: int) -> str:
        """Milliseconds, or seconds with one decimal from ten seconds on."""
        if milliseconds < 10_000:
            return self("sheet.milliseconds", count=f"{milliseconds:,}")
        return self("sheet.seconds", count=f"{milliseconds / 1000:,.1f}")

    def token(self, label: str, serial: str) -> str:
        """A token by its label and serial number."""
        return self("sheet.token", label=label, serial=serial)
