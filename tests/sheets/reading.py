"""Reading a sheet as a browser would: its elements in balance, its text, its links."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "br"})


@dataclass
class Read(HTMLParser):
    """What a sheet holds. ``text`` is what a person reads, in the pieces between tags."""

    open: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    style: str = ""
    pre: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> where <{self.open[-1]}> is open"
        self.open.pop()
        if tag == "pre":  # its words have tags of their own; a person reads one line
            self.text.append(self.pre.strip())
            self.pre = ""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        elif "pre" in self.open:
            self.pre += data
        elif data.strip():
            self.text.append(data.strip())

    @property
    def words(self) -> str:
        """All text, runs of white space drawn together."""
        return " ".join(" ".join(self.text).split())


def read(data: bytes) -> Read:
    """A sheet, read to its end."""
    made = Read()
    made.feed(data.decode("utf-8"))
    made.close()
    assert made.open == [], f"left open: {made.open}"
    return made
