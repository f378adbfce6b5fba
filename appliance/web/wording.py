"""The words on the pages: every text in Japanese and English from ``wording.toml``, and which language a browser wants.

A package's texts stand in its own ``wording.toml``; what all pages say is in the one beside this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

from appliance import bilingual
from appliance.bilingual import Filled, Language, Text
from appliance.commandline import visible

LANGUAGES: tuple[Language, ...] = ("ja", "en")
COOKIE = "language"
JAPAN = timezone(timedelta(hours=9))  # no summer time
_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,35})?\s*(?:;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?"
)


@cache
def texts(package: str) -> Mapping[str, Text]:
    """Every text of a package's pages by its key, ``section.name``; its own before those of all pages."""
    return {**bilingual.texts(str(__package__)), **bilingual.texts(package)}


class Words:
    """The texts of a package in one language. Called with a key and what is to be filled in."""

    def __init__(self, language: Language, package: str) -> None:
        self.language: Language = language
        self._texts = texts(package)

    def __call__(self, key: str, /, **values: str | int) -> str:
        """The text, filled in; it is plain text, not HTML. What was filled in shows whatever is hidden in it.

        Raises:
            KeyError: no such text, or something to be filled in is missing.
        """
        text = self._texts[key].of(self.language)
        return text.format(**{name: Filled(self.shown(value), value == 1) for name, value in values.items()})

    def has(self, key: str) -> bool:
        """Whether there is a text of that key."""
        return key in self._texts

    def known(self, key: str) -> str | None:
        """The text, if there is one of that key."""
        return self(key) if key in self._texts else None

    def shown(self, value: str | int) -> str:
        """Text with nothing hidden in it; a number as ``1,234``."""
        return visible(value) if isinstance(value, str) else f"{value:,}"

    def moment(self, moment: datetime) -> str:
        """Date and time in Japan, to the minute."""
        local = moment.astimezone(JAPAN)
        if self.language == "ja":
            return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"
        return f"{local.day} {local:%B %Y, %H:%M}"

    def day(self, moment: datetime) -> str:
        """The date in Japan."""
        local = moment.astimezone(JAPAN)
        return f"{local.year}年{local.month}月{local.day}日" if self.language == "ja" else f"{local.day} {local:%B %Y}"


def instant(text: str) -> datetime:
    """An instant as the log writes it, ``2026-11-27T01:15:00.123456Z``.

    Raises:
        ValueError: it is none.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def chosen(cookie: str | None, accepted: str, default: Language) -> Language:
    """The language that a browser wants: its own choice here, else ``Accept-Language`` (RFC 9110, 12.5.4)."""
    for language in LANGUAGES:
        if cookie == language:
            return language
    weights: dict[str, float] = {}
    for part in accepted[:1_000].split(","):
        if found := _RANGE.fullmatch(part):
            weights.setdefault(found[1].lower(), float(found[2] or 1))
    wanted = [(weights[language], language == default, language) for language in LANGUAGES if weights.get(language)]
    return max(wanted)[2] if wanted else default
