"""The words of the report: every text in English and Japanese from ``wording.toml``, numbers, shares and durations."""

from __future__ import annotations

from appliance import bilingual
from appliance.bilingual import Filled, Language
from appliance.commandline import visible
from appliance.oversight.report.findings import Amount, Seconds, Share

LANGUAGES: tuple[Language, ...] = ("en", "ja")
_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))
_THOUSANDS = {"en": ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")), "ja": ((1e12, "兆"), (1e8, "億"), (1e4, "万"))}


class Words:
    """The texts in one language. Called with a key and what is to be filled in."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._texts = bilingual.texts(str(__package__))

    def __call__(self, key: str, /, **amounts: Amount) -> str:
        """The text, filled in; it is plain text, not HTML. What was filled in shows whatever is hidden in it.

        Raises:
            KeyError: no such text, or something to be filled in is missing.
        """
        filled = {name: Filled(self.amount(value), value == 1) for name, value in amounts.items()}
        return self._texts[key].of(self.language).format(**filled)

    def known(self, key: str) -> str | None:
        """The text, if there is one of that key."""
        return self(key) if key in self._texts else None

    def amount(self, value: Amount) -> str:
        """A value as people read it, by its kind."""
        match value:
            case str():
                return visible(value)
            case Share():
                return self.share(value)
            case Seconds():
                return self.duration(value)
            case int():
                return self.number(value)
            case _:
                return f"{value:,.1f}"

    def number(self, value: int) -> str:
        """``1,234,567``."""
        return f"{value:,}"

    def compact(self, value: int) -> str:
        """``1.2M`` or ``123万``: three digits or so, for narrow places."""
        for size, unit in _THOUSANDS[self.language]:
            if value >= size:
                part = value / size
                return f"{part:.1f}{unit}" if part < 9.95 else f"{part:,.0f}{unit}"
        return f"{value:,}"

    def share(self, value: float) -> str:
        """Percent, with as many decimals as say something."""
        if value and value < 0.0005:
            return "<0.1%" if value < 0.0001 else f"{value:.2%}"
        return f"{value:.1%}"

    def duration(self, seconds: float) -> str:
        """The two largest units that it has."""
        left = round(seconds)
        parts: list[tuple[str, int]] = []
        for name, length in _UNITS:
            count, left = divmod(left, length)
            if count or parts or name == "seconds":
                parts.append((name, count))
        told = [self(f"time.{name}", count=count) for name, count in parts[:2] if count or len(parts) == 1]
        return self("time.join").join(told)

    def weekday(self, weekday: int) -> str:
        """Monday is 0."""
        return self(f"weekday.d{weekday}")
