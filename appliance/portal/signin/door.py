"""The one thing that the portal's pages call: a challenge for a browser, and its answer judged and written down.

The order is fixed: read, signature, challenge, authority, revocation, holder. Before the signature verifies, nothing
about a certificate is said; after it, the visitor has shown that the card is theirs, and is told what is wrong with it.
Nobody is let in, or refused, before the line about it is on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from appliance.portal.signin import answer
from appliance.portal.signin.attempts import Attempts
from appliance.portal.signin.authority import Authorities
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.challenge import Challenge, Challenges, Clock, now
from appliance.portal.signin.holders import Holders
from appliance.portal.signin.journal import Journal
from appliance.portal.signin.reasons import AttemptsSpent, Reason, SignInRefused, SignInUnusable

Facts = dict[str, str | int | None]


class Door:
    """Sign-in by card; any thread may ask. ``session`` is the browser's before it is signed in: make a new one after.

    Looking at an answer waits for the disk and may take in a new revocation list: call it in a thread, not in an event
    loop. ``said`` is told, in one line, what whoever runs the portal must know.

    Raises:
        SignInUnusable: the journal cannot be written.
    """

    def __init__(
        self,
        challenges: Challenges,
        authorities: Authorities,
        holders: Holders,
        journal: Journal,
        *,
        attempts: Attempts | None = None,
        clock: Clock = now,
        said: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._challenges, self._authorities, self._holders, self._journal = challenges, authorities, holders, journal
        self._attempts, self._clock, self._said = attempts or Attempts(), clock, said
        self._reading = threading.Lock()
        for line in authorities.standing():
            journal.write(clock(), "list", said=line)

    def begin(self, session: str) -> Challenge:
        """A new challenge for this browser."""
        return self._challenges.issue(session)

    def enter(self, session: str, text: str) -> CardId:
        """The card that answered: it is good, and it has a holder.

        Raises:
            SignInRefused: with the reason. It is written down, but of attempts that were too many the number alone.
        """
        moment = self._clock()
        turned_away = self._count(session, moment)
        self.renew()
        seen: Facts = {"turned_away": turned_away} if turned_away else {}
        try:
            card = self._judge(session, text, moment, seen)
        except SignInRefused as refused:
            self._write(moment, "refused", refused.reason, seen)
            raise
        self._write(moment, "entered", None, seen)
        return card

    def renew(self) -> None:
        """Take in revocation lists that were replaced. Each attempt does it; a portal may do it every minute besides.

        Raises:
            SignInRefused: there is news that cannot be written down.
        """
        for line in self._authorities.renew():
            self._said(line)
            self._put(self._clock(), "list", said=line)

    def _judge(self, session: str, text: str, moment: datetime, seen: Facts) -> CardId:
        """``seen`` gets what is known of the card as soon as its signature has verified."""
        with self._reading:
            given = answer.read(text)
            seen["certificate"], seen["serial"] = given.fingerprint, given.serial
            self._challenges.take(given.document, session)
            card = self._authorities.check(given.certificate, moment)
        seen["issuer"] = card.issuer
        try:
            self._holders.of(card)
        except SignInUnusable as error:
            self._said(error.message)
            raise SignInRefused(Reason.UNAVAILABLE) from None
        return card

    def _count(self, session: str, moment: datetime) -> int:
        try:
            return self._attempts.count(session, moment)
        except AttemptsSpent as spent:
            if spent.first:
                self._write(moment, "refused", spent.reason, {})
            raise

    def _write(self, moment: datetime, event: str, reason: Reason | None, seen: Facts) -> None:
        self._put(moment, event, **{"reason": reason, **seen})

    def _put(self, moment: datetime, event: str, **facts: str | int | None) -> None:
        try:
            self._journal.write(moment, event, **facts)
        except SignInUnusable as error:
            self._said(error.message)
            raise SignInRefused(Reason.UNAVAILABLE) from None
