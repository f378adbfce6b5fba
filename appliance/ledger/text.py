"""Text that people read before they sign: one line, nothing invisible, nothing that turns it round.

Approvers decide by what they see. Control characters, line and paragraph separators, format
characters (bidirectional overrides among them), private-use and unassigned code points and
unusual spaces are refused. Variation selectors stay allowed, since Japanese names need them.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from appliance.ledger.errors import Malformed

_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SPACES = frozenset(" \u3000")  # the ideographic space stands between family and given names
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def require_line(field: str, text: str, *, longest: int = 200, malformed: type[Malformed] = Malformed) -> None:
    """Refuse text that is empty, too long, padded, of several lines, or partly invisible.

    Raises:
        Malformed: (or the given subclass) naming the field and the first offending code point.
    """
    if not 1 <= len(text) <= longest:
        raise malformed(f"{field}: must have 1 to {longest} characters, has {len(text)}")
    if text[0] in _SPACES or text[-1] in _SPACES:
        raise malformed(f"{field}: must not begin or end with a space")
    for letter in text:
        category = unicodedata.category(letter)
        if category in _REFUSED_CATEGORIES or (category == "Zs" and letter not in _SPACES):
            raise malformed(f"{field}: U+{ord(letter):04X} is not printable text on one line")


def parse_instant(field: str, text: str, *, malformed: type[Malformed] = Malformed) -> datetime:
    """``2026-04-01T09:00:00Z`` as an aware datetime in UTC.

    Raises:
        Malformed: (or the given subclass) no such instant.
    """
    try:
        moment = datetime.strptime(text, _INSTANT).replace(tzinfo=UTC)
    except ValueError:
        raise malformed(f"{field}: {text!r} is not an instant such as 2026-04-01T09:00:00Z") from None
    if render_instant(moment) != text:
        raise malformed(f"{field}: {text!r} is not an instant such as 2026-04-01T09:00:00Z")
    return moment


def render_instant(moment: datetime) -> str:
    """An aware datetime as the ledger writes it; fractions of a second are cut off.

    Raises:
        ValueError: the datetime has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    utc = moment.astimezone(UTC)
    return f"{utc.year:04d}-{utc:%m-%dT%H:%M:%SZ}"
