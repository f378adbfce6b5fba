"""How often sign-in may be tried: so often for a browser's session, and so often a minute in all."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from appliance.portal.signin.reasons import AttemptsSpent

OF_SESSION = 10
WINDOW = timedelta(minutes=10)
A_MINUTE = 1_200
MOST_SESSIONS = 50_000  # remembered; the oldest is forgotten for a new one


class Attempts:
    """Counts attempts; any thread may ask. ``a_minute``: of all sessions together, after a burst of as many."""

    def __init__(self, a_minute: int = A_MINUTE, of_session: int = OF_SESSION) -> None:
        self._a_minute, self._of_session = a_minute, of_session
        self._left = float(a_minute)
        self._turned_away = 0
        self._at: datetime | None = None
        self._tried: dict[str, tuple[datetime, int]] = {}  # since when, how often; oldest first
        self._lock = threading.Lock()

    def count(self, session: str, moment: datetime) -> int:
        """An attempt begins; how many were turned away since the one before it, besides the first of them.

        Raises:
            AttemptsSpent: one too many, of this session or of all.
        """
        with self._lock:
            self._forget(moment)
            self._refill(moment)
            since, times = self._tried.get(session, (moment, 0))
            if times >= self._of_session or self._left < 1:
                self._turned_away += 1
                raise AttemptsSpent(first=self._turned_away == 1)
            self._left -= 1
            self._tried[session] = (since, times + 1)
            turned_away, self._turned_away = self._turned_away, 0
            return max(0, turned_away - 1)

    def _refill(self, moment: datetime) -> None:
        passed = 0.0 if self._at is None else max(0.0, (moment - self._at).total_seconds())
        self._left = min(float(self._a_minute), self._left + passed * self._a_minute / 60)
        self._at = moment

    def _forget(self, moment: datetime) -> None:
        while self._tried:
            session, (since, _) = next(iter(self._tried.items()))
            if moment < since + WINDOW and len(self._tried) < MOST_SESSIONS:
                return
            del self._tried[session]
