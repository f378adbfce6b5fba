"""Where browsers find a web server: scheme, host and port, the one address that it answers to (RFC 6454)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHAPE = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[::1\])(?::([1-9][0-9]{0,4}))?")
_USUAL = {"http": "80", "https": "443"}
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Origin:
    """``host`` is as a browser sends it: lower case, with the port unless it is the scheme's own."""

    scheme: str
    host: str

    @classmethod
    def parse(cls, text: str) -> Origin:
        """The origin as a browser writes it, such as ``https://portal.example.go.jp`` or ``http://localhost:8080``.

        Raises:
            ValueError: another shape; or plain HTTP to another place than this machine.
        """
        found = _SHAPE.fullmatch(text)
        if found is None or found[3] == _USUAL[found[1]] or int(found[3] or 1) > 65_535:
            raise ValueError("Expected an origin such as `https://portal.example.go.jp`, as a browser writes it")
        if found[1] == "http" and found[2] not in LOOPBACK:
            raise ValueError("Expected `https://`; plain HTTP is for this machine alone (`http://localhost:PORT`)")
        return cls(found[1], text.removeprefix(f"{found[1]}://"))

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.scheme == "https"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"
