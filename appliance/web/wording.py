"""The words on the pages: every text in Japanese and English from ``wording.toml``, and which language a browser wants.

A package's texts stand in its own ``wording.toml``; what all pages say is in the one beside this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from appliance.commandline import visible

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = ("ja", "en")
COOKIE = "language"
JAPAN = timezone(timedelta(hours=9))  # no summer time
_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,35})?\s*(?:;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?"
)


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in both languages; names in braces are filled in."""

    ja: str
    en: str

    def of(self, language: Language) -> str:
        """The text in one language."""
        return self.ja if language == "ja" else self.en


@cache
def texts(package: str) -> Mapping[str, Text]:
    """Every text of a package's pages by its key, ``section.name``; its own before those of all pages."""
    found: dict[str, Text] = {}
    for one in dict.fromkeys((str(__package__), package)):
        data = resources.files(one).joinpath("wording.toml").read_bytes()
        sections = msgspec.toml.decode(data, type=dict[str, dict[str, Text]])
        found |= {f"{section}.{name}": text for section, held in sections.items() for name, text in held.items()}
    return found


@dataclass(frozen=True, slots=True)
class Filled:
    """What is filled into a text. ``{days:day}`` is ``1 day`` or ``3 days``, ``{n:entry/entries}`` names both forms."""

    shown: str
    is_one: bool

    def __format__(self, noun: str) -> str:
        """With the noun in the right number, if there is one."""
        if not noun:
            return self.shown
        one, _, many = noun.partition("/")
        return f"{self.shown} {one if self.is_one else many or f'{one}s'}"


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
