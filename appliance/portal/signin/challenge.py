"""Which challenge a visitor has to sign, and whether the one that was signed is still open.

Each is good once, for five minutes, and for the browser that asked for it. A challenge is canonical JSON that names the
portal's origin, so that the card's tool can show to whom an answer is given. What was issued is remembered, byte for
byte, until it expires; nothing in an answer is believed but by comparison with that.
"""

from __future__ import annotations

import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical
from appliance.ledger.errors import LedgerError
from appliance.ledger.text import parse_instant, render_instant
from appliance.portal.signin.reasons import ChallengeRefused, Reason
from appliance.web.origin import Origin

TYPE: Literal["kagimori/portal-sign-in"] = "kagimori/portal-sign-in"
NONCE_BYTES = 32
LIFETIME = timedelta(minutes=5)
MOST_OPEN = 50_000  # in all, some 35 MB
MOST_OF_SESSION = 3
LONGEST = 1_024  # bytes of a challenge that the card's tool reads

Clock = Callable[[], datetime]
Nonce = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]  # 32 bytes, base64url (RFC 4648, section 5)


def now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


class Challenge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is signed. ``portal``: an origin such as ``https://portal.example``; times as the ledger writes them."""

    type: Literal["kagimori/portal-sign-in"] = TYPE
    portal: str
    nonce: Nonce
    issued: str
    expires: str

    def __post_init__(self) -> None:
        Origin.parse(self.portal)
        if parse_instant("issued", self.issued) >= parse_instant("expires", self.expires):
            raise ValueError("Expected `expires` to be later than `issued`")

    @property
    def document(self) -> bytes:
        """The bytes that are signed."""
        return canonical.encode(self)

    @property
    def text(self) -> str:
        """The same for a page."""
        return self.document.decode("ascii")


def parse(document: bytes) -> Challenge:
    """The challenge in the bytes that a person is about to sign.

    Raises:
        ChallengeRefused: not a challenge in its one form.
    """
    try:
        if len(document) > LONGEST:
            raise ChallengeRefused(Reason.MALFORMED)
        return canonical.decode(document, Challenge)
    except LedgerError:
        raise ChallengeRefused(Reason.MALFORMED) from None


@dataclass
class _Issued:
    """What is remembered of a challenge until it expires."""

    document: bytes = field(repr=False)
    session: str = field(repr=False)
    expires: datetime
    used: bool = False


class Challenges:
    """The open challenges of a portal; any thread may ask. ``portal`` is its origin, as browsers show it.

    Raises:
        ValueError: ``portal`` is no origin.
    """

    def __init__(self, portal: str, clock: Clock = now, *, most: int = MOST_OPEN) -> None:
        self._portal, self._clock, self._most = str(Origin.parse(portal)), clock, most
        self._issued: dict[str, _Issued] = {}  # oldest first
        self._of_session: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._issued)

    def issue(self, session: str) -> Challenge:
        """A new challenge for a browser's session; one too many, and the oldest is forgotten."""
        begins = self._clock()
        challenge = Challenge(
            portal=self._portal,
            nonce=urlsafe_b64encode(secrets.token_bytes(NONCE_BYTES)).rstrip(b"=").decode("ascii"),
            issued=render_instant(begins),
            expires=render_instant(begins + LIFETIME),
        )
        with self._lock:
            self._make_room(session, begins)
            expires = parse_instant("expires", challenge.expires)
            self._issued[challenge.nonce] = _Issued(challenge.document, session, expires)
            self._of_session.setdefault(session, []).append(challenge.nonce)
        return challenge

    def take(self, document: bytes, session: str) -> Challenge:
        """The challenge that was signed, used up by this.

        Raises:
            ChallengeRefused: not a challenge, unknown, another session's, used before, or too late.
        """
        claimed = parse(document)
        moment = self._clock()
        with self._lock:
            issued = self._issued.get(claimed.nonce)
            if issued is None or issued.document != document:
                raise ChallengeRefused(self._of_unknown(claimed, moment))
            if not secrets.compare_digest(issued.session.encode(), session.encode()):
                raise ChallengeRefused(Reason.NOT_YOURS)
            if issued.used:
                raise ChallengeRefused(Reason.REPLAYED)
            if moment >= issued.expires:
                raise ChallengeRefused(Reason.TOO_LATE)
            issued.used = True
        return claimed

    def _of_unknown(self, claimed: Challenge, moment: datetime) -> Reason:
        """What was forgotten because it expired is called so; it opens nothing either way."""
        late = claimed.portal == self._portal and moment >= parse_instant("expires", claimed.expires)
        return Reason.TOO_LATE if late else Reason.UNKNOWN_CHALLENGE

    def _make_room(self, session: str, moment: datetime) -> None:
        while self._issued:
            nonce, oldest = next(iter(self._issued.items()))
            if moment < oldest.expires and len(self._issued) < self._most:
                break
            self._forget(nonce, oldest.session)
        if len(own := self._of_session.get(session, [])) >= MOST_OF_SESSION:
            self._forget(own[0], session)

    def _forget(self, nonce: str, session: str) -> None:
        del self._issued[nonce]
        own = self._of_session[session]
        own.remove(nonce)
        if not own:
            del self._of_session[session]
