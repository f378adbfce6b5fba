"""How valid input is spoilt: bytes cut, doubled and swapped, lengths blown up, JSON and DER changed inside.

Everything is drawn by hypothesis, so a failing input is made smaller before it is shown.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

LENGTHS = (
    b"\xff",
    b"\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x00\x00",
    b"\x80",
    b"\x7f\xff\xff\xff",
    b"\x84\xff\xff\xff\xff",
)
BREAKS = (
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b'"',
    b"\\",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"[" * 2000,
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    2**53,
    2**63,
    10**30,
    0.5,
    1e308,
    "",
    "0",
    "\n",
    "\u202e",
    "\ud800",
    "é",
    "e\u0301",
    "a" * 300,
    [],
    {},
    [[]],
    {"": 0},
)


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes], tokens: Sequence[bytes] = (), most: int = 4) -> bytes:
    """One of the originals with up to ``most`` changes; ``tokens``: what else is put into it."""
    data = draw(st.sampled_from(originals))
    known = (*tokens, *LENGTHS, *BREAKS)
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 64)))
        change = draw(st.integers(0, 7))
        if change == 0 and start < len(data):
            data = data[:start] + bytes([data[start] ^ 1 << draw(st.integers(0, 7))]) + data[start + 1 :]
        elif change == 1:
            data = data[:start] + data[end:]
        elif change == 2:
            data = data[:end] + data[start:]
        elif change == 3:
            data = data[:start] + draw(st.binary(max_size=16)) + data[end:]
        elif change == 4:
            data = data[:start] + draw(st.sampled_from(known)) + data[end:]
        elif change == 5:
            data = data[:start]
        elif change == 6:
            other = draw(st.sampled_from(originals))
            at = draw(st.integers(0, len(other)))
            data = data[:start] + other[at : at + (end - start)] + data[end:]
        else:
            data = data[:start] + data[end : end + (end - start)] + data[start:end] + data[end + (end - start) :]
    return data


def any_bytes(originals: Sequence[bytes], tokens: Sequence[bytes] = ()) -> st.SearchStrategy[bytes]:
    """Spoilt originals mostly, and bytes of no origin."""
    return (
        mutated(originals, tokens) | mutated(originals, tokens) | mutated(originals, tokens) | st.binary(max_size=120)
    )


# --- JSON -------------------------------------------------------------------------------------------------------------

_LEAVES = st.sampled_from(_VALUES).map(copy.deepcopy)  # a tree is changed in place
JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@st.composite
def changed_json(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """A document whose values were exchanged, dropped, doubled or moved, in its one spelling mostly."""
    tree = json.loads(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        tree = _change(draw, tree)
    text = json.dumps(tree, ensure_ascii=False, sort_keys=draw(st.integers(0, 9)) > 0, separators=(",", ":"))
    data = text.encode("utf-8", "surrogatepass")
    return draw(mutated((data,), most=1)) if draw(st.integers(0, 4)) == 0 else data


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            found.append((node, key))
            waiting.append(node[key])
    return found


def _change(draw: st.DrawFn, tree: Any) -> Any:
    places = _places(tree)
    if not places:
        return draw(JSON)
    node, key = places[draw(st.integers(0, len(places) - 1))]
    change = draw(st.integers(0, 6))
    if change == 0:
        del node[key]
    elif change == 1:
        node[key] = draw(JSON)
    elif change == 2:
        other, at = places[draw(st.integers(0, len(places) - 1))]
        node[key] = copy.deepcopy(other[at])
    elif change == 3 and isinstance(node, list):
        node.insert(key, copy.deepcopy(node[key]))
    elif change == 3:
        node[draw(st.text(max_size=6)) or "x"] = copy.deepcopy(node[key])
    elif change == 4 and isinstance(node[key], str):
        node[key] = _spoilt_text(draw, node[key])
    elif change == 4 and isinstance(node[key], int):
        node[key] += draw(st.sampled_from((-1, 1, 2**31, 2**53, -(2**63))))
    elif change == 5:
        node[key] = [node[key]]
    else:
        node[key] = draw(_LEAVES)
    return tree


def _spoilt_text(draw: st.DrawFn, text: str) -> str:
    at = draw(st.integers(0, len(text)))
    put = draw(st.text(max_size=3) | st.sampled_from(("\n", "\0", "\u202e", "０", "Ａ", "=", " ", "\u3000")))
    return text[:at] + put + text[at + draw(st.integers(0, 2)) :]


# --- DER --------------------------------------------------------------------------------------------------------------


class Node:
    """One TLV: its tag, and either its content or the nodes in it."""

    def __init__(self, tag: int, content: bytes, inner: list[Node] | None) -> None:
        self.tag, self.content, self.inner = tag, content, inner

    def dump(self) -> bytes:
        """The encoding, every length right again."""
        content = self.content if self.inner is None else b"".join(node.dump() for node in self.inner)
        size = len(content)
        if size < 0x80:
            return bytes((self.tag, size)) + content
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes((self.tag, 0x80 | len(octets))) + octets + content

    def all(self) -> list[Node]:
        """The node and everything in it."""
        return [self, *(found for node in self.inner or () for found in node.all())]


def tree_of(data: bytes) -> Node:
    """The tree of one DER element; what does not split any further is content."""
    (node,) = _split(data)
    return node


def _split(data: bytes) -> list[Node]:
    nodes, at = [], 0
    while at < len(data):
        tag, size, start = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, start = int.from_bytes(data[start : start + count], "big"), start + count
        content = data[start : start + size]
        nodes.append(Node(tag, content, _split(content) if tag & 0x20 else None))
        at = start + size
    return nodes


@st.composite
def changed_der(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """DER whose elements were dropped, doubled, swapped, retagged or spoilt inside, with all lengths right again."""
    root = tree_of(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        _change_node(draw, root, tree_of(draw(st.sampled_from(originals))))
    data = root.dump()
    return draw(mutated((data,), most=1)) if draw(st.integers(0, 9)) == 0 else data


def _change_node(draw: st.DrawFn, root: Node, other: Node) -> None:
    nodes = root.all()
    node = nodes[draw(st.integers(0, len(nodes) - 1))]
    change = draw(st.integers(0, 6))
    if node.inner and change <= 3:
        at = draw(st.integers(0, len(node.inner) - 1))
        if change == 0:
            del node.inner[at]
        elif change == 1:
            node.inner.insert(at, node.inner[at])
        elif change == 2:
            node.inner.append(node.inner.pop(at))
        else:
            found = other.all()
            node.inner[at] = found[draw(st.integers(0, len(found) - 1))]
    elif change == 4:
        node.tag ^= 1 << draw(st.integers(0, 7))
    elif node.inner is None:
        node.content = draw(mutated((node.content,), most=2))
