"""Reading a report as a browser would: its elements in balance, its words, its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "br"})


@dataclass
class Read(HTMLParser):
    """What a page holds. ``text``: what a person reads; ``codes``: the part of it that comes from log and ledger."""

    open: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    style: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> where <{self.open[-1]}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            self.style += data
        elif data.strip():
            (self.codes if "code" in self.open else self.text).append(data.strip())

    @property
    def words(self) -> str:
        """All text and codes, runs of white space drawn together."""
        return " ".join(" ".join((*self.text, *self.codes)).split())

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """Those of all elements."""
        return [one for _, held in self.tags for one in held.items()]


def read(data: bytes) -> Read:
    """A page, read to its end."""
    made = Read()
    made.feed(data.decode("utf-8"))
    made.close()
    assert made.open == [], f"left open: {made.open}"
    return made
