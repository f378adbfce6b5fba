"""The file with an authority's newest revocation list: taken in when it is replaced, and never no list between.

A new file that cannot be taken leaves the list before it in force, until that is overdue. What is to be said of a file
is said once, not at every sign-in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from appliance.ledger.text import render_instant
from appliance.portal.signin import crl
from appliance.portal.signin.crl import ListRefused, RevocationList
from appliance.portal.signin.files import read
from appliance.portal.signin.issuer import Issuer
from appliance.portal.signin.reasons import SignInUnusable

_HINT = "bring the authority's newest complete revocation list here, by renaming it into its place"


class ListFile:
    """A file with a list of one of the authorities, its ``issuer``.

    Raises:
        SignInUnusable: it cannot be read, or holds no list of any of them that can be taken.
    """

    def __init__(self, path: Path, authorities: Sequence[Issuer]) -> None:
        self._path = path
        self._seen = self._look()
        self.issuer, self._newest = self._load(authorities)
        self._before = self._newest

    def at(self, moment: datetime) -> RevocationList:
        """The list to go by at that moment: the newest one, unless its time has not come (clocks differ a little)."""
        return self._newest if self._newest.this_update <= moment else self._before

    @property
    def told(self) -> str:
        """The newest list, for the journal."""
        now = self._newest
        return (
            f"revocation list {self._path}: number {now.number}, {len(now.serials)} cards, in force from"
            f" {render_instant(now.this_update)} to {render_instant(now.next_update)}"
        )

    def renew(self) -> str | None:
        """Take in the file if it was replaced; what is to be said of that. Slow for a large list."""
        seen = self._look()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            _, new = self._load([self.issuer])
            self._require_newer(new)
        except SignInUnusable as error:
            return f"{error.message}; the list before it stays in force"
        self._before, self._newest = self._newest, new
        return self.told

    def _look(self) -> tuple[int, ...]:
        try:
            status = self._path.stat()
        except OSError:
            return ()  # reading it tells why
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size

    def _load(self, authorities: Sequence[Issuer]) -> tuple[Issuer, RevocationList]:
        try:
            parsed = crl.parse(read(self._path, crl.LARGEST, "revocation list"))
            for issuer in authorities:
                if crl.is_of(parsed, issuer.certificate, issuer.key):
                    return issuer, crl.take(parsed)
            raise ListRefused("not signed by an authority whose cards are accepted")
        except ListRefused as error:
            raise SignInUnusable(f"revocation list {self._path}: {error}", _HINT) from None

    def _require_newer(self, new: RevocationList) -> None:
        """Raises if an older list, or another one of the same number, was put in the newer one's place."""
        now = self._newest
        if new.number < now.number or new.this_update < now.this_update:
            raise SignInUnusable(f"revocation list {self._path}: older than the one before it", _HINT)
        if new.points != now.points:
            raise SignInUnusable(f"revocation list {self._path}: for other cards than the one before it", _HINT)
