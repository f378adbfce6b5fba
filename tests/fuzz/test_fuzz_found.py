"""What fuzzing has found, each in its smallest form: mended, and never again."""

from __future__ import annotations

import base64
from pathlib import Path

import ledgerkit
import msgspec
import pytest
from cryptography import x509

from appliance import configuration, tomlfile
from appliance.bulk.errors import JobUnusable
from appliance.bulk.folder import JobFolder
from appliance.engine import frames
from appliance.engine.envelope import Frame, FrameError, Kind
from appliance.engine.frames import Failed, Hello
from appliance.hubkit import history, wire
from appliance.hubkit.errors import ProtocolError
from appliance.ledger import certificate
from appliance.ledger.errors import CertificateInvalid
from appliance.oversight.errors import KeyUnusable
from appliance.oversight.witness import sealing
from keyceremony.act.journal import Begin, Journal
from keyceremony.errors import CardRefused, FileProblem, JournalDamaged, SetupRefused
from keyceremony.people import cards
from keyceremony.plans import new_roster, policy_file, setup_file
from keyceremony.table import notes
from tests.fuzz.mutations import tree_of

NOT_UTF_8 = b'{"\xff":0}'
DEEP = b'{"x":' + b"[" * 100_000
NOT_JSON = pytest.mark.parametrize("data", [NOT_UTF_8, DEEP], ids=["not UTF-8", "too deep"])


# --- JSON that is no text, or nested deeper than a parser can go, came out as the parser's own errors ---------------


@NOT_JSON
@pytest.mark.parametrize(("kind", "record"), [(Kind.HELLO, Hello), (Kind.FAILED, Failed)])
def test_an_engines_words_that_are_no_json(data: bytes, kind: Kind, record: type[Hello]) -> None:
    with pytest.raises(FrameError, match=f"frame {kind.name}: "):
        frames.read_record(Frame(kind, 0, data), record)


@NOT_JSON
def test_answers_of_a_daemon_that_are_no_json(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="the answer is not a conversion"):
        wire.answer(data, "sspin.A", "sspin.B", 1)
    with pytest.raises(ProtocolError, match="does not say what was accepted"):
        wire.accepted(data)
    with pytest.raises(ProtocolError, match="the answer is not JSON"):
        wire.document(data)
    with pytest.raises(ProtocolError, match="the answer is not a history"):
        history.answer(data, "common")
    assert wire.problem(503, {}, data).message == "HTTP status 503 without a problem document"


@NOT_JSON
@pytest.mark.parametrize("name", ["job.json", "checkpoint.json"])
def test_a_jobs_memory_that_is_no_json(tmp_path: Path, data: bytes, name: str) -> None:
    folder = JobFolder(tmp_path / "out.csv")
    folder.create()
    (folder.path / name).write_bytes(data)
    with pytest.raises(JobUnusable, match=f"{name}: damaged"):
        folder.spec() if name == "job.json" else folder.checkpoint()


@NOT_JSON
def test_a_participants_card_that_is_no_json(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "card.json").write_bytes(data)
    with pytest.raises(CardRefused, match=r"card\.json: not a participant card"):
        cards.load(tmp_path / "card.json")


@NOT_JSON
def test_notes_that_are_no_json(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "000003.notes.jsonl").write_bytes(data + b"\n")
    with pytest.raises(FileProblem, match=r"000003\.notes\.jsonl: line 1 is no note"):
        notes.read(tmp_path / "000003.plan.json", 3)


@pytest.mark.parametrize("said", ['{"at":"yesterday","text":"late"}', '{"at":"2026-04-01T09:00:00Z","text":"\\u202e"}'])
def test_a_note_that_breaks_a_rule_is_told_with_its_line(tmp_path: Path, said: str) -> None:
    """The refusal named the rule, but neither file nor line."""
    (tmp_path / "000003.notes.jsonl").write_text(said + "\n", "utf-8")
    with pytest.raises(FileProblem, match=r"000003\.notes\.jsonl: line 1 is no note"):
        notes.read(tmp_path / "000003.plan.json", 3)


def _journal(path: Path) -> bytes:
    begin = Begin(sequence=3, plan="ab" * 32, path="p", authorization="cd" * 32, started="s", operator="o", tool="t")
    Journal.create(path, begin).write("1", "start")
    return path.read_bytes()


@NOT_JSON
def test_a_journal_that_is_no_json(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(_journal(path) + data + b"\n")
    with pytest.raises(JournalDamaged, match="line 3: "):
        Journal.open(path)


@pytest.mark.parametrize("time", ["2026-13-01T00:00:00+00:00", "2026-04-01T09:00:00", ""])
def test_a_journal_whose_times_are_none(tmp_path: Path, time: str) -> None:
    """It was opened, and how long an action took could then not be told; without a time zone neither."""
    path = tmp_path / "journal.jsonl"
    line = msgspec.json.encode({"n": 3, "at": time, "step": "1", "kind": "finish", "data": {}})
    path.write_bytes(_journal(path) + line + b"\n")
    with pytest.raises(JournalDamaged, match="line 3: at: not a time in UTC"):
        Journal.open(path)


@pytest.mark.parametrize("data", [b"a=" + b"[" * 20_000, b"a=" + b"{a=" * 20_000], ids=["lists", "tables"])
def test_toml_that_is_too_deep(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(data)
    with pytest.raises(tomlfile.ConfigurationError, match=r"file\.toml: not TOML"):
        configuration.load(path)
    for load in (setup_file.load, policy_file.load, lambda path: new_roster.from_file(path, ledgerkit.make_roster())):
        with pytest.raises(SetupRefused, match=r"file\.toml: "):
            load(path)


# --- a certificate's fields are read late, and the library warned of what should be refused ------------------------


def test_a_certificate_whose_issuer_has_no_letters() -> None:
    """The issuer was not looked at until it was compared, and then the library only warned."""
    tree = tree_of(ledgerkit.signer("sato").certificate)
    issuer = next(node for node in tree.all() if node.content == b"sato" and node.inner is None)
    issuer.content = b""
    with pytest.raises(CertificateInvalid, match="a certificate cannot be read"):
        certificate.require_self_signed(tree.dump())


def test_a_certificate_signed_with_something_unknown() -> None:
    der = ledgerkit.signer("sato").certificate
    algorithm = x509.load_der_x509_certificate(der).signature_algorithm_oid.dotted_string
    assert algorithm == "1.2.840.10045.4.3.2"
    strange = der.replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d04037f"))
    with pytest.raises(CertificateInvalid):
        certificate.require_self_signed(strange)


# --- a private key of a wrong length came out as an internal error of the library ------------------------------------


def test_a_private_key_that_is_too_short() -> None:
    """RFC 8410, section 7: 32 bytes. The outer lengths are right, so that the key itself is reached."""
    head = bytes.fromhex("302c020100300506032b65700420041e")
    text = b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(head + bytes(30)) + b"\n-----END PRIVATE KEY-----\n"
    with pytest.raises(KeyUnusable, match="witness.key: no private key in PEM"):
        sealing.unseal("witness.key", text, None)
