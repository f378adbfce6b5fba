"""Attributes read back from tokens, in a form that fits on paper: equal sets once, each with a letter."""

from __future__ import annotations

from collections.abc import Mapping

from keyceremony.sheets.blocks import Code, Table
from keyceremony.sheets.wording import Wording

Value = bool | int | str


class AttributeSets:
    """The sets met so far, in that order."""

    def __init__(self, t: Wording) -> None:
        self._t = t
        self._sets: list[dict[str, Value]] = []

    def name(self, attributes: Mapping[str, Value], label: str = "") -> str:
        """``set A``; a set not met before gets the next letter.

        A label that is the key's own name is left out: it would make every key's set another one.
        """
        wanted = {name: value for name, value in attributes.items() if (name, value) != ("label", label)}
        if wanted not in self._sets:
            self._sets.append(wanted)
        return self._t("minutes.set", letter=_letter(self._sets.index(wanted)))

    def table(self) -> Table | None:
        """What each set says; None: there is none."""
        if not self._sets:
            return None
        t = self._t
        rows = tuple((self.name(one), *_split(one)) for one in self._sets)
        return Table("", ("", t("minutes.value"), t("minutes.true"), t("minutes.false")), rows)


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def _split(attributes: Mapping[str, Value]) -> tuple[str, str, str]:
    """Values, names that are true, names that are false."""
    flags = {name: value for name, value in sorted(attributes.items()) if isinstance(value, bool)}
    values = "\n".join(f"{name} {value}" for name, value in sorted(attributes.items()) if name not in flags)
    true, false = (" ".join(name for name, value in flags.items() if value is wanted) for wanted in (True, False))
    return Code(values), Code(true), Code(false)
