"""Both flows and both clients against the real daemon, on a real token with a ledger made by real ceremonies."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from exchangekit import table

from appliance.hubkit import Client, Converted, Failed, NumberRefused, Refused, Retry, StreamBroken
from appliance.hubkit import register as register_files
from appliance.hubkit.aioclient import AsyncClient
from appliance.hubkit.answering import Answering
from appliance.hubkit.exchange import Answer, Question
from appliance.hubkit.exchangebook import ExchangeBook
from appliance.hubkit.hub import Hub
from appliance.hubkit.hubjournal import HubJournal
from appliance.hubkit.linking import link
from appliance.hubkit.numbering import number_residents
from appliance.hubkit.register import FourAttributes, Resident
from appliance.hubkit.sector import Sector
from appliance.numbers.domains import default_domains
from appliance.numbers.formats import BASE36
from tests.world import PROJECT, World, build_world

WHY = {"purpose": "exchange", "reference": "test-1"}
SAMPLE_CODE = "01234567890"
COUNT = 400


class Daemon:
    def __init__(self, world: World) -> None:
        self._world = world
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        command = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(self._world.config)]
        with (self._world.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self._world.env, cwd=PROJECT, stdout=log, stderr=log)
        until = time.monotonic() + 30
        with Client(self._world.hub_socket) as client:
            while not client.ready():
                assert self.process.poll() is None, (self._world.folder / "daemon.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("w"))


@pytest.fixture(scope="module")
def _daemon(world: World) -> Iterator[Daemon]:
    daemon = Daemon(world)
    daemon.start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def daemon(_daemon: Daemon) -> Daemon:
    _daemon.start()
    return _daemon


@pytest.fixture
def hub_client(daemon: Daemon, world: World) -> Iterator[Client]:
    with Client(world.hub_socket) as client:
        yield client


@pytest.fixture
def numbering(daemon: Daemon, world: World) -> Iterator[Client]:
    with Client(world.socket("numbering")) as client:
        yield client


@pytest.fixture(scope="module")
def residents() -> list[Resident]:
    rng = random.Random(7)
    codes = [SAMPLE_CODE, *{f"{rng.randrange(10**11):011d}": None for _ in range(COUNT - 1)}]
    born = [f"{rng.randrange(1930, 2020)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}" for _ in codes]
    return [
        Resident(code, FourAttributes(f"住民 第{n}子", f"桜台市緑ケ丘{n}丁目{n}番地", birth, rng.choice("男女")))
        for n, (code, birth) in enumerate(zip(codes, born, strict=True))
    ]


@pytest.fixture
def register(residents: list[Resident], tmp_path: Path) -> Path:
    path = tmp_path / "register.csv"
    register_files.write(path, residents)
    return path


def linked_sector(
    letter: str, people: dict[str, FourAttributes], register: Path, numbering: Client, folder: Path
) -> Sector:
    sector = Sector(letter, folder / f"{letter}.sqlite")
    sector.enter(people.items())
    residents = register_files.read(register)
    why = {"purpose": "linking", "reference": f"link-{letter}"}
    sector.store(link(numbering, residents, list(sector.requests()), sector.domain, **why))
    return sector


class TestClients:
    def test_what_the_daemon_says_of_itself(self, hub_client: Client, world: World) -> None:
        assert hub_client.ready()
        status, view = hub_client.status(), hub_client.domains()
        assert status["role"] == view["role"] == "hub"
        assert status["ledger"]["head"] == world.state().head
        assert {domain["name"]: domain["current"] for domain in view["domains"]} == {
            f"sspin.{letter}": f"sspin.{letter}.1" for letter in "ABCDEF"
        }

    def test_both_clients_give_the_same_answers(
        self, numbering: Client, hub_client: Client, world: World, residents: list[Resident]
    ) -> None:
        codes = [resident.code for resident in residents]
        why = {"purpose": "linking", "reference": "r"}
        with numbering.convert_stream("resident", "sspin.B", codes, **why) as stream:
            numbers = [result.number for result in stream if isinstance(result, Converted)]
        assert len(set(numbers)) == COUNT

        async def ask() -> tuple[list[object], list[object]]:
            async with AsyncClient(world.hub_socket) as client:
                at_once = await client.convert("sspin.B", "sspin.E", numbers, **WHY)
                async with client.convert_stream("sspin.B", "sspin.E.1", numbers, **WHY) as streamed:
                    return list(at_once.results), [result async for result in streamed]

        expected = list(hub_client.convert("sspin.B.1", "sspin.E", numbers, **WHY).results)
        assert asyncio.run(ask()) == (expected, expected)
        back = hub_client.convert("sspin.E", "sspin.B", [one.number for one in expected], **WHY)  # type: ignore[union-attr]
        assert [one.number for one in back.results] == numbers  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("source", "target", "purpose", "status", "code"),
        [
            ("sspin.B", "resident", "exchange", 403, "pair_denied"),
            ("spin", "sspin.B", "exchange", 403, "pair_denied"),
            ("sspin.B", "sspin.E", "curiosity", 403, "purpose_denied"),
            ("sspin.B.7", "sspin.E", "exchange", 404, "unknown_generation"),
        ],
    )
    def test_refusals_are_the_daemons_own_in_both_forms(
        self, hub_client: Client, source: str, target: str, purpose: str, status: int, code: str
    ) -> None:
        for ask in (hub_client.convert, hub_client.convert_stream):
            with pytest.raises(Refused) as caught:
                ask(source, target, ["369PQRST246"], purpose=purpose, reference="r")
            assert (caught.value.status, caught.value.code) == (status, code)

    def test_a_long_stream_of_nobody(self, hub_client: Client) -> None:
        rng = random.Random(1)
        numbers = ("".join(rng.choices(BASE36, k=11)) for _ in range(60_000))
        with hub_client.convert_stream("sspin.B", "sspin.E", numbers, **WHY) as stream:
            results = list(stream)
        assert len(results) == 60_000
        assert sum(isinstance(one, Converted) for one in results) <= 3, "expected 60,000 · 8e-7 ≈ 0.05 to pass"
        assert {one.code for one in results if isinstance(one, Failed)} == {"unknown_number"}

    def test_a_daemon_that_dies_in_a_stream_breaks_it_and_a_retry_finds_the_next_one(
        self, daemon: Daemon, world: World, numbering: Client, residents: list[Resident]
    ) -> None:
        def endless() -> Iterator[str]:
            while True:
                yield SAMPLE_CODE

        why = {"purpose": "linking", "reference": "r"}
        with (
            pytest.raises(StreamBroken) as caught,
            numbering.convert_stream("resident", "sspin.C", endless(), **why) as stream,
        ):
            for count, _ in enumerate(stream, 1):
                if count == 1000:
                    daemon.stop(signal.SIGKILL)
        assert caught.value.code == "cut_short"
        assert caught.value.lines >= 1000
        starting = threading.Thread(target=daemon.start)
        starting.start()
        with Client(world.socket("numbering"), retry=Retry(attempts=12, longest_wait=30)) as patient:
            assert len(patient.convert_one("resident", "sspin.C", SAMPLE_CODE, **why)) == 11
        starting.join()


class TestSampleValues:
    """The scheme's own figures are well formed; what is nobody's is unknown, not malformed."""

    def test_accepted_as_well_formed(self, hub_client: Client, numbering: Client) -> None:
        why = {"purpose": "numbering", "reference": "r"}
        assert len(numbering.convert_one("resident", "common", SAMPLE_CODE, **why)) == 12
        with pytest.raises(NumberRefused, match="unknown_number"):
            hub_client.convert_one("sspin.C", "sspin.E", "369PQRST246", **WHY)
        formats = {domain.name: domain.format for domain in default_domains()}
        assert formats["spin"].render(formats["spin"].parse("ABC98765XYZ")) == "ABC98765XYZ"

    def test_a_random_number_and_one_of_another_sector_are_unknown(self, hub_client: Client, numbering: Client) -> None:
        rng = random.Random(3)
        of_a = numbering.convert_one("resident", "sspin.A", SAMPLE_CODE, purpose="linking", reference="r")
        asked = ["".join(rng.choices(BASE36, k=11)), of_a, "369PQRST24", "369pqrst246"]
        codes = [one.code for one in hub_client.convert("sspin.B", "sspin.E", asked, **WHY).results]  # type: ignore[union-attr]
        assert codes == ["unknown_number", "unknown_number", "malformed_number", "malformed_number"]
        assert hub_client.convert_one("sspin.A", "sspin.E", of_a, **WHY)


class TestLinking:
    def test_sector_c(
        self, residents: list[Resident], register: Path, numbering: Client, hub_client: Client, tmp_path: Path
    ) -> None:
        moved = FourAttributes("住民 第1子", "よそ市1丁目", residents[1].attributes.birth_date, "男")
        people = {f"{n:09d}": one.attributes for n, one in enumerate(residents)} | {"000000001": moved}
        people["135792468"] = people.pop("000000000")
        with linked_sector("C", people, register, numbering, tmp_path) as sector:
            assert [(one.existing, one.outcome) for one in sector.inquiries()] == [("000000001", "ambiguous")]
            links = dict(sector.links())
            assert len(links) == len(set(links.values())) == COUNT - 1
            assert sector.existing_of(links["135792468"]) == "135792468"
            why = {"purpose": "linking", "reference": "r"}
            alone = [numbering.convert_one("resident", "sspin.C", one.code, **why) for one in residents[2:12]]
            assert [links[f"{n:09d}"] for n in range(2, 12)] == alone

    def test_common_numbers_for_the_whole_register(self, register: Path, numbering: Client) -> None:
        why = {"purpose": "numbering", "reference": "r"}
        numbered = list(number_residents(numbering, register_files.read(register), "common", **why))
        form = default_domains()[1].format
        numbers = [one.result.number for one in numbered if isinstance(one.result, Converted)]
        assert len({form.parse(number) for number in numbers}) == COUNT
        assert {one.generation for one in numbered} == {"common.1"}


def b_number(n: int) -> str:
    return f"7319{n * 7919 + 40_111:08d}"


def e_number(n: int) -> str:
    return f"8642{n * 6373 + 77_773:08d}"


LAW = table({"valid_from": "2016-01-01", "valid_until": "2099-12-31"})


class TestExchange:
    def test_200_exchanges_leave_no_trace_of_anybody_at_the_hub(
        self, world: World, residents: list[Resident], register: Path, numbering: Client, tmp_path: Path
    ) -> None:
        store = tmp_path / "hub"
        sectors = tmp_path / "sectors"
        for folder in (store, sectors):
            folder.mkdir()
        of_b = {b_number(n): one.attributes for n, one in enumerate(residents)}
        of_e = {e_number(n): one.attributes for n, one in enumerate(residents) if n % 10}
        with (
            linked_sector("B", of_b, register, numbering, sectors) as b,
            linked_sector("E", of_e, register, numbering, sectors) as e,
            Client(world.hub_socket) as client,
            HubJournal(store / "journal.jsonl") as journal,
            ExchangeBook("E", sectors / "E-exchanges.sqlite") as book,
        ):
            e.keep("income", ((existing, f"yen-{existing}") for existing in of_e))
            hub = Hub(client, LAW, {"E": Answering(book, e)}, journal)
            numbers = dict(b.links())
            for n in range(200):
                (answer,) = hub.exchange(_question(b, f"case-{n}", numbers[b_number(n)]))
                if n % 10:
                    assert (answer.data, answer.problem) == (f"yen-{e_number(n)}", None)
                else:
                    assert (answer.data, answer.problem) == (None, "unknown_to_holder")
            personal = _everything_personal(residents, b, e)
            del answer
            assert not _reachable_texts(hub) & {text.decode() for text in personal}
            hub.__dict__["planted"] = [numbers[b_number(0)]]
            assert _reachable_texts(hub) & {text.decode() for text in personal}, "the search must be able to find"
        assert len((store / "journal.jsonl").read_text().splitlines()) == 4 * 200
        assert _found_in(sectors, personal) == personal, "the search must be able to find"
        codes = {one.code.encode() for one in residents}
        assert _found_in(tmp_path, codes) == codes, "the register has them"
        for folder in (store, world.folder):
            assert _found_in(folder, personal | codes) == set()

    def test_a_batch_keeps_order_and_names_each_trouble(
        self, residents: list[Resident], register: Path, numbering: Client, hub_client: Client, tmp_path: Path
    ) -> None:
        of_b = {b_number(n): one.attributes for n, one in enumerate(residents)}
        of_e = {e_number(0): residents[0].attributes, e_number(1): residents[1].attributes}
        with (
            linked_sector("B", of_b, register, numbering, tmp_path) as b,
            linked_sector("E", of_e, register, numbering, tmp_path) as e,
            HubJournal(tmp_path / "journal.jsonl") as journal,
            ExchangeBook("E", tmp_path / "E-exchanges.sqlite") as book,
        ):
            e.keep("income", [(e_number(0), "rich")])
            numbers = dict(b.links())
            wrong = numbering.convert_one("resident", "sspin.A", SAMPLE_CODE, purpose="linking", reference="r")
            asked = [numbers[b_number(1)], wrong, numbers[b_number(0)], "short", numbers[b_number(2)]]
            hub = Hub(hub_client, LAW, {"E": Answering(book, e)}, journal)
            assert hub.exchange(_question(b, "batch", *asked)) == [
                Answer(asked[0], None, "no_such_item"),
                Answer(asked[1], None, "unknown_number"),
                Answer(asked[2], "rich", None),
                Answer(asked[3], None, "malformed_number"),
                Answer(asked[4], None, "unknown_to_holder"),
            ]


def _question(asker: Sector, reference: str, *numbers: str) -> Question:
    return Question("B", "E", "income", "benefit-check", reference, asker.generation, numbers)


def _everything_personal(residents: list[Resident], *sectors: Sector) -> set[bytes]:
    """What the sectors' own files hold about people: names, addresses, existing and linkage numbers."""
    texts = {text for sector in sectors for pair in sector.links() for text in pair}
    texts |= {one.attributes.name for one in residents} | {one.attributes.address for one in residents}
    return {text.encode() for text in texts}


def _found_in(folder: Path, personal: set[bytes]) -> set[bytes]:
    whole = b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    assert whole
    return {text for text in personal if text in whole}


def _reachable_texts(root: object) -> set[str]:
    """Every string that can be reached from an object, leaving out code."""
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType)
    seen: set[int] = set()
    todo, texts = [root], set()
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, code):
            continue
        seen.add(id(thing))
        if isinstance(thing, str):
            texts.add(thing)
        else:
            todo.extend(gc.get_referents(thing))
    return texts
