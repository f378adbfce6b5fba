"""Seats, framing and pace: the sums behind the front's limits, without a socket."""

from __future__ import annotations

import resource

import pytest

from appliance.daemon import seats
from appliance.daemon.framing import LARGE_READ, SLACK, SMALL_READ, Framing, TooMuchFraming
from appliance.daemon.limits import Pace
from appliance.daemon.problems import Problem
from appliance.daemon.seats import Party, Seats, most_connections
from appliance.tomlfile import ConfigurationError

ONE, OTHER, THIRD = ("hub", 1), ("hub", 2), ("portal", 1)


class Clock:
    """Seconds, as they are set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Caller:
    """A connection; ``resting_since`` is None while it is busy."""

    def __init__(self, place: Seats, party: Party, since: float | None = None) -> None:
        self._place, self.party, self.resting_since = place, party, since
        place.take(party, self)

    def dismiss(self) -> None:
        self.leave()

    def leave(self) -> None:
        self._place.leave(self.party, self)


def busy(place: Seats, party: Party) -> int:
    """How many busy connections a party gets."""
    count = 0
    try:
        while True:
            Caller(place, party)
            count += 1
    except Problem as problem:
        assert (problem.code, problem.detail) == ("overloaded", "Too many connections.")
    return count


def test_no_party_takes_more_than_it_leaves() -> None:
    place = Seats(100, Clock())
    assert [busy(place, party) for party in (ONE, OTHER, THIRD)] == [50, 25, 13]
    assert place.taken == 88
    assert busy(place, ("portal", 9)) == 6, "and still there is one for whoever comes new"


def test_a_seat_is_given_back_once() -> None:
    place = Seats(10, Clock())
    caller = Caller(place, ONE)
    other = Caller(place, ONE)
    caller.leave()
    caller.leave()
    assert (place.taken, place.held(ONE)) == (1, 1)
    other.leave()
    assert (place.taken, place.held(ONE)) == (0, 0)


def test_a_new_connection_takes_the_place_of_the_partys_longest_idle_one() -> None:
    place = Seats(8, Clock())
    callers = [Caller(place, ONE, since) for since in (3.0, 1.0, None, 2.0)]
    Caller(place, ONE, 9.0)
    assert [place.held(ONE), callers[1] in place._parties[ONE].sitters] == [4, False]
    callers[3].resting_since = None  # it is asked again
    Caller(place, ONE, 9.5)
    assert callers[0] not in place._parties[ONE].sitters
    assert callers[3] in place._parties[ONE].sitters


def test_who_has_few_gets_the_seat_of_an_idle_one_of_who_has_many() -> None:
    place = Seats(4, Clock())
    many = [Caller(place, ONE, 1.0), Caller(place, ONE, 2.0)]
    Caller(place, OTHER)
    Caller(place, THIRD)
    Caller(place, ("portal", 9))
    assert place.taken == 4
    assert many[0] not in place._parties[ONE].sitters


def test_looking_for_idle_ones_among_busy_ones_is_not_done_all_the_time() -> None:
    clock = Clock()
    place = Seats(8, clock)
    callers = [Caller(place, ONE) for _ in range(4)]
    with pytest.raises(Problem):
        Caller(place, ONE)
    callers[0].resting_since = 1.0
    with pytest.raises(Problem):
        Caller(place, ONE)
    clock.now += 2 * seats.LOOK_SECONDS
    Caller(place, ONE)


def test_connections_leave_files_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert most_connections() == 4_096 - seats.RESERVED_FILES
    assert asked == [(4_096, 4_096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100_000, 524_288))
    assert most_connections() == seats.MOST_CONNECTIONS
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    with pytest.raises(ConfigurationError, match="may open 256 files only"):
        most_connections()


def test_reads_grow_only_while_nearly_all_is_content() -> None:
    framing, content = Framing(), 0
    framing.begin(0)

    def read(size: int, carried: int) -> int:
        nonlocal content
        content += carried
        framing.more(size, content)
        return len(framing.view)

    assert read(SMALL_READ, SMALL_READ) == SMALL_READ, "not before it is let in"
    framing.widen()
    assert [read(size, size - 10) for size in (8_192, 16_384, 32_768)] == [16_384, 32_768, 65_536]
    assert read(65_536, 50_000) == SMALL_READ
    for _ in range(10):
        most = read(SMALL_READ, SMALL_READ)
    assert most == LARGE_READ
    framing.narrow()
    assert len(framing.view) == SMALL_READ


def test_content_pays_for_framing_and_not_in_advance() -> None:
    framing = Framing()
    framing.begin(0)
    framing.more(10_000_000, 10_000_000)
    framing.more(SLACK + 2 * SMALL_READ, 10_000_000)
    with pytest.raises(TooMuchFraming):
        framing.more(1, 10_000_000)
    framing.begin(0)
    for total in range(1, 1_000):
        framing.more(200, 100 * total)


def test_a_party_waits_for_its_turn_and_no_other_does() -> None:
    clock = Clock()
    pace = Pace(3, 10.0, clock)
    assert [pace.turn(ONE) for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert pace.turn(OTHER) == 0
    clock.now += 0.2
    assert pace.turn(ONE) == pytest.approx(0.1)
    clock.now += 1_000
    assert [pace.turn(ONE) for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])
