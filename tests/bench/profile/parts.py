"""Which part of the work a stack of Python frames belongs to: the innermost frame that one can tell of decides."""

from __future__ import annotations

from types import FrameType

OTHER = "other"
DAEMON = (
    ("asyncio/selector_events.py", "daemon: sockets"),
    ("asyncio/selectors.py", "daemon: waiting for sockets"),
    ("/selectors.py", "daemon: waiting for sockets"),
    ("asyncio/", "daemon: event loop (asyncio)"),
    ("aiohttp/", "daemon: HTTP (aiohttp)"),
    ("multidict/", "daemon: HTTP (aiohttp)"),
    ("yarl/", "daemon: HTTP (aiohttp)"),
    ("appliance/audit/", "daemon: audit records"),
    ("appliance/engine/", "daemon: requests and frames"),
    ("appliance/", "daemon: requests and frames"),
)
ENGINE = (
    ("appliance/token/", "engine: the token's AES"),
    ("appliance/numbers/blocks.py", "engine: the token's AES"),
    ("appliance/numbers/lockstep.py", "engine: FF1 around the AES"),
    ("appliance/numbers/ff1.py", "engine: FF1 around the AES"),
    ("appliance/numbers/embedding.py", "engine: FF1 around the AES"),
    ("appliance/engine/edges.py", "engine: FF1 around the AES"),
    ("appliance/numbers/", "engine: text to halves and back"),
    ("appliance/engine/tags.py", "engine: subject tags"),
    ("appliance/engine/converter.py", "engine: conversion"),
    ("appliance/engine/", "engine: frames and socket"),
)
INDEX = (("appliance/audit/tagindex/", "index: runs of tags, written and merged"),)
ROLES = {"daemon": DAEMON, "engine": ENGINE, "index": INDEX}


def part_of(frame: FrameType | None, role: str) -> str:
    """The part's name; the first word is the role."""
    while frame is not None:
        path = frame.f_code.co_filename
        for piece, name in ROLES[role]:
            if piece in path:
                return name
        frame = frame.f_back
    return f"{role}: {OTHER}"
