"""Who may look over TCP: whoever knows the key in a file that the desk's own user alone may read (RFC 7617, Basic).

Basic, because the browser asks for it by itself: no form, no session, nothing that could be changed. The key is random
and long, so guessing needs no lock-out; it is compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from appliance.desk.errors import KeyFileRefused
from appliance.oversight import files
from appliance.oversight.errors import PieceMissing, PieceWrong

USER = "desk"
CHALLENGE = 'Basic realm="kagimori desk", charset="UTF-8"'
_KEY = re.compile(r"[a-z2-7]{32}\n?", re.ASCII)
_LARGEST = 64


def key_of(path: Path) -> str:
    """The access key in a file; made if the file is not there, with 160 random bits.

    Raises:
        KeyFileRefused: open to group or others, another user's, or no such key.
        FolderUnusable: it can be neither read nor made.
    """
    try:
        data = files.read(path, _LARGEST, str(path))
    except PieceMissing:
        files.create(path, f"{_new()}\n".encode("ascii"), 0o600)
        data = files.read(path, _LARGEST, str(path))
    except PieceWrong as error:
        raise KeyFileRefused(error.message, "name another file in [access] key_file") from None
    status = path.stat()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyFileRefused(f"{path}: others may read it, or it is another user's", f"chmod 600 {path}, or remove it")
    text = data.decode("ascii", "replace")
    if _KEY.fullmatch(text) is None:
        raise KeyFileRefused(f"{path}: holds no access key", "remove it; a new one is made at the next start")
    return text.strip()


def admits(header: str | None, key: str) -> bool:
    """Whether an ``Authorization`` header gives the key."""
    scheme, _, said = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, f"{USER}:{key}".encode("ascii"))


def _new() -> str:
    return base64.b32encode(secrets.token_bytes(20)).decode("ascii").lower()
