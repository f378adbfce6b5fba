"""Texts in Japanese and English: a ``wording.toml`` beside the package that says them, and amounts within them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

Language = Literal["ja", "en"]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in both languages; names in braces are filled in."""

    ja: str
    en: str

    def of(self, language: Language) -> str:
        """The text in one language."""
        return self.ja if language == "ja" else self.en


@cache
def texts(package: str) -> Mapping[str, Text]:
    """Every text of a package's ``wording.toml`` by its key, ``section.name``."""
    data = resources.files(package).joinpath("wording.toml").read_bytes()
    sections = msgspec.toml.decode(data, type=dict[str, dict[str, Text]])
    return {f"{section}.{name}": text for section, held in sections.items() for name, text in held.items()}


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
