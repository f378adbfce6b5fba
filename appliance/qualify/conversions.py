"""The numbers themselves, through keys on the token: known answers, round trips, and the ways from sector to sector."""

from __future__ import annotations

import secrets

import numpy as np

from appliance.numbers.domains import DomainTree, default_domains
from appliance.numbers.embedding import to_child, to_parent
from appliance.numbers.ff1 import FF1, FF1Halves
from appliance.numbers.formats import BASE36, Format
from appliance.numbers.lockstep import Halves, Lockstep
from appliance.token.trials.bench import Bench
from appliance.token.trials.findings import Differs
from appliance.token.trials.registry import trial

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NIST_KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94")
_SAMPLES = (  # NIST's sample data for SP 800-38G, FF1 with AES-256, samples 7 to 9
    (10, "", "0123456789", "6657667009"),
    (10, "39383736353433323130", "0123456789", "1001623463"),
    (36, "3737373770717273373737", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
)
_SSPIN = Format(BASE36, 11)
_TWEAK = b"sspin.C"
_WAY = ("spin", "sspin.B", "sspin.E")


@trial("convert.nist")
def nist(bench: Bench) -> str:
    """FF1 of the standard's samples, with the standard's key."""
    aes = bench.imported(_NIST_KEY)
    for radix, tweak, plain, cipher in _SAMPLES:
        ff1 = FF1(aes, radix, bytes.fromhex(tweak))
        digits = [_DIGITS.index(letter) for letter in plain]
        encrypted = ff1.encrypt(digits)
        if "".join(_DIGITS[digit] for digit in encrypted) != cipher or list(ff1.decrypt(encrypted)) != digits:
            raise Differs(f"FF1 of {plain} with radix {radix} is not {cipher}")
    return f"{len(_SAMPLES)} samples of NIST for FF1 with AES-256, there and back"


@trial("convert.single")
def single(bench: Bench) -> str:
    """Number by number, there and back."""
    count = bench.terms.count(2_000, 200)
    with bench.stored_key("single") as (key_id, _):
        ff1 = FF1Halves(bench.stream(key_id), _SSPIN, _TWEAK)
        for _ in range(count):
            halves = _SSPIN.split(secrets.randbelow(_SSPIN.size))
            if ff1.decrypt(*ff1.encrypt(*halves)) != halves:
                raise Differs("a number did not come back as it was")
    return f"{count:,} numbers of 11 letters, each there and back"


@trial("convert.lockstep")
def lockstep(bench: Bench) -> str:
    """Many at once, the same as one by one."""
    count, compared = bench.terms.count(100_000, 10_000), 100
    with bench.stored_key("lockstep") as (key_id, _):
        stream = bench.stream(key_id)
        columns, ff1 = Lockstep(stream, _SSPIN, _TWEAK), FF1Halves(stream, _SSPIN, _TWEAK)
        a, b = _random(_SSPIN, count)
        left, right = columns.encrypt(a, b)
        back = columns.decrypt(left, right)
        one_by_one = [ff1.encrypt(int(a[row]), int(b[row])) for row in range(compared)]
    if one_by_one != [(int(left[row]), int(right[row])) for row in range(compared)]:
        raise Differs("many numbers at once come out otherwise than one by one")
    _require_same((a, b), back)
    return f"{count:,} numbers at once, there and back; {compared} of them compared with one by one"


@trial("convert.tree")
def tree(bench: Bench) -> str:
    """Resident code to sector B, from there to sector E, and home again: the same people."""
    count = bench.terms.count(20_000, 2_000)
    with (
        bench.stored_key("spin") as (spin, _),
        bench.stored_key("sector b") as (sector_b, _),
        bench.stored_key("sector e") as (sector_e, _),
    ):
        domains = DomainTree(default_domains())
        edges = {
            name: Lockstep(bench.stream(key_id), domains[name].format, name.encode())
            for name, key_id in zip(_WAY, (spin, sector_b, sector_e), strict=True)
        }
        code, own = domains.root.format, domains["spin"].format
        people = _random(code, count)
        of_b = edges["sspin.B"].encrypt(*edges["spin"].encrypt(*to_child(*people, code, own)))
        of_e = edges["sspin.E"].encrypt(*edges["sspin.B"].decrypt(*of_b))
        *home, strange = to_parent(*edges["spin"].decrypt(*edges["sspin.E"].decrypt(*of_e)), own, code)
    if strange is not None:
        raise Differs("a number of sector E is nobody's")
    _require_same(people, (home[0], home[1]))
    return f"{count:,} people from resident code to sspin.B, to sspin.E and back, all themselves"


def _random(fmt: Format, count: int) -> tuple[Halves, Halves]:
    generator = np.random.default_rng(secrets.randbits(128))
    left = generator.integers(0, fmt.left_size, count, dtype=np.uint64)
    return left, generator.integers(0, fmt.right_size, count, dtype=np.uint64)


def _require_same(one: tuple[Halves, Halves], other: tuple[Halves, Halves]) -> None:
    if not all(np.array_equal(left, right) for left, right in zip(one, other, strict=True)):
        raise Differs("numbers did not come back as they were")
