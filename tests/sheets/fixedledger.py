"""A ledger that is the same, byte for byte, whenever it is made: what the golden sheets are made from.

Keys come from their owners' names, signatures are deterministic (RFC 6979), and so are the certificates' serial
numbers; so a golden sheet changes only when a sheet does. None of these keys exists anywhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from unittest import mock

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.ledger import annexes, canonical, certificate, chain, cms
from appliance.ledger.actions import (
    Action,
    Activate,
    AddDomain,
    CensusCitation,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    DomainSpec,
    Drill,
    EnrollBackup,
    EnrollClone,
    FormatSpec,
    Found,
    Generate,
    Ratify,
    RemoveBackup,
    RemoveClone,
    Restore,
    Restrict,
    Resume,
    Retire,
    Suspend,
    UpdateClone,
)
from appliance.ledger.annexes import Attempt, Refusal
from appliance.ledger.attributes import BACKED_UP, COPY, LOG_KEY, NEVER_EXTRACTABLE, RESTORED, TRANSPORT
from appliance.ledger.book import Book
from appliance.ledger.keys import KeyRecord, Made
from appliance.ledger.outcome import (
    ActionResult,
    BackupEnrolled,
    BackupRemoved,
    CloneEnrolled,
    CloneLogKey,
    CloneRemoved,
    CloneUpdated,
    CopiedKey,
    Destroyed,
    Drilled,
    Founded,
    Generated,
    GeneratedPair,
    Note,
    Outcome,
    Recorded,
    Restored,
    StateChanged,
    TokenFacts,
)
from appliance.ledger.plan import NO_PREVIOUS, Plan
from appliance.ledger.policy import KeyRules, Policy, RoleRule
from appliance.ledger.publickey import encode_log_key, info_of, log_check_value
from appliance.ledger.results import content_digest
from appliance.ledger.roster import DEFAULT_THRESHOLDS, Person, Role, Roster, Threshold, encode_certificate
from appliance.ledger.services import LOG
from appliance.ledger.state import LedgerState
from appliance.ledger.text import render_instant
from appliance.numbers.domains import Generation, default_domains

START = datetime(2026, 4, 1, 0, 30, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOKENS = {
    "0123456789abcdef": "kagimori",
    "1111222233334444": "vault-1",
    "5555666677778888": "vault-2",
    "99990000aaaabbbb": "scratch",
    "ccccddddeeeeffff": "kagimori-2",
    "c10ec10ec10ec10e": "kagimori-osaka",
}
APPLIANCE, VAULT_1, VAULT_2, SCRATCH, NEW, OSAKA = TOKENS
TRANSPORT_KEYS = {
    VAULT_1: (
        "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAl4z409t96WwbYUAjSrY7RIJOXI+nE7k/8tr+3zNebSTjswSMh0epwthLcI9X"
        "aZqYyMgEOjC/loxSJmzlk2efkWcc1v6hlHRwzlBDvGa1+lQvHKGKpcrC6sF2iGPU1npbtE8m5CjiqwSzwrGCKPU9vAhSivWBKFJcVHaB"
        "Khfte/kNhGMTS6h/fsFkNkGE6ACtrTCnSfPJNDMRhnXmT6N8VTd4jq9a64c4SQHk9C3t3UIiyIrSvV/abPntiXBHT3Php7Lty0i1u5hp"
        "QR5YiESKNAfkvTtwZ9nKl3Tg/VzhyvdfLI3Cwk9gA48Uj4N4mbQN6sEzCzcqgtzN5VpMojoVEE5BXbJLc21L6bM6rcQXaqQv7Cv+kYwX"
        "SC89mqXyzs54E2xXZVkBJmd+/iOtVlnYwOo9XHbu0pC8IhTcB0xBkhhg2JfJQLdx66apY0bbZdVzYbdot+eIvqTrs9Kbqh1NbyqYiUWW"
        "3R6Wk5ygi8+Y8ArTtSJzG9USVVU13XH1vxxDAgMBAAE="
    ),
    VAULT_2: (
        "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAq7xqeWk6cEErSf1ylwiHenIM5sWPxLpA+JtALD9a7upv4GdGRyMvxaUR8qNE"
        "Uk7yuat3wo5kzobyd96N1Qs71V9zeOuCgASon9QViGheHBSTBHxhJYrdMX7gPrXawV0PkdyNFVTl8zExo5AhmuiW296w3XxKhMYeC8Of"
        "OsK4kZJLxWgA331q/ox/5LDCsxXqG18DVBtAmdQomGlJ5GGcpd3X6IN8coyTllSdwAB3f193lGg4RUdgx759hWhniKrHAk0bQaIsNWyJ"
        "PT/WunFTe5NAXgRmd+D1z4gHwesyX7n//QHMFDunKLBJHlGPVkj0Trg+NPN8Zzig+NjxxMaWoAmVBcmYTYEL6i/g6iIY1wsYlULj6njv"
        "NiY7cViy/0tYP8kn7oY7VmZjVRVzl84eL9lSnBXrFF7VF1K0CxSZPWE5qF/yiL1fayHYIJuqyTzR5ltr7H0Hjk5ghrWR1nKwUcXrXHID"
        "Nq4P3BYnhFMHnXr60Om6gTZXBDPWkGIHICO1AgMBAAE="
    ),
}
NAMES: dict[str, tuple[str, Role]] = {
    "officer-1": ("佐藤　花子", "officer"),
    "officer-2": ("鈴木 一郎", "officer"),
    "officer-3": ("高橋 美咲", "officer"),
    "officer-4": ("渡邉 健", "officer"),
    "oversight-1": ("監視機関 田中 誠", "oversight"),
    "oversight-2": ("監視機関 伊藤 恵", "oversight"),
}
TITLES = {
    "resident": "住民票コード",
    "common": "共通番号",
    "spin": "国民ID",
    "sspin.A": "税",
    "sspin.B": "社会保障(共通番号を利用する分野)",
    "sspin.C": "社会保障(共通番号を利用しない分野)",
    "sspin.D": "その他",
    "sspin.E": "地方",
    "sspin.F": "民間",
}


@dataclass(frozen=True)
class FixedSigner:
    """A `cms.Signer` whose key comes from a name."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    def sign(self, message: bytes) -> bytes:
        """Signature value as CMS wants it; the same for the same message."""
        return self.key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


@cache
def signer(name: str) -> FixedSigner:
    """The signer of that name; ``officer-1/2`` is that of a renewed certificate."""
    seed = hashlib.sha256(f"fixed ledger {name}".encode()).digest()
    key = ec.derive_private_key(int.from_bytes(seed) >> 1, ec.SECP256R1())
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with mock.patch.object(certificate.secrets, "randbits", lambda bits: int.from_bytes(seed) >> 256 - bits):
        subject = name.partition("/")[0]
        until = START + timedelta(days=3650)
        made = certificate.self_signed(subject, info, FixedSigner(key, b"").sign, START - timedelta(days=9), until)
    return FixedSigner(key, made)


def person(id_: str, holder: str | None = None) -> Person:
    """A roster entry."""
    name, role = NAMES[id_]
    return Person(id=id_, name=name, role=role, certificate=encode_certificate(signer(holder or id_).certificate))


def fixed_id(text: str) -> str:
    """A key identifier that looks random."""
    return hashlib.sha256(f"id {text}".encode()).hexdigest()[:32]


def fixed_check_value(generation: str) -> str:
    """A check value, likewise."""
    return hashlib.sha256(f"kcv {generation}".encode()).hexdigest()[:12]


def log_public_key(generation: str) -> bytes:
    """The public half of a log key, always the same, SubjectPublicKeyInfo (DER)."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"log {generation}".encode()).digest())
    return info_of(key.public_key().public_bytes_raw())


def facts(serial: str) -> TokenFacts:
    """How a token names itself."""
    return TokenFacts(label=TOKENS[serial], serial=serial, manufacturer="SoftHSM project", model="SoftHSM v2")


def found() -> Found:
    """What the genesis lays down."""
    people = ("officer-1", "officer-2", "officer-3", "oversight-1", "oversight-2")
    domains = tuple(
        DomainSpec(
            name=one.name,
            title=TITLES[one.name],
            parent=one.parent,
            format=FormatSpec(alphabet=one.format.alphabet, length=one.format.length, check=one.format.check),
        )
        for one in default_domains()
    )
    roster = Roster(people=tuple(person(id_) for id_ in people), thresholds=dict(DEFAULT_THRESHOLDS))
    return Found(token_label="kagimori", token_serial=APPLIANCE, roster=roster, domains=domains, policy=policy())


def policy(**roles: RoleRule) -> Policy:
    """The hub exchanges among three sectors; the numbering authority makes numbers."""
    sectors = [f"sspin.{letter}" for letter in "BCE"]
    hub = RoleRule(
        pairs=tuple((a, b) for a in sectors for b in sectors if a != b),
        purposes=("benefit-check", "tax-assessment"),
        values_per_request=1000,
        values_per_stream=10_000_000,
        values_per_minute=60_000_000,
    )
    numbering = RoleRule(
        pairs=(("resident", "common"), ("resident", "sspin.C")),
        purposes=("numbering",),
        values_per_request=1000,
        values_per_stream=0,
        values_per_minute=60_000,
    )
    rules = KeyRules(backups=1, cryptoperiod_days={"spin": 730, "sspin.C": 365})
    return Policy(roles={"hub": hub, "numbering": numbering, **roles}, keys=rules)


def new_policy() -> Policy:
    """Portal added, numbering changed, other key rules."""
    portal = RoleRule(
        pairs=(("sspin.G", "spin"),),
        purposes=("portal",),
        values_per_request=1,
        values_per_stream=0,
        values_per_minute=60,
    )
    before = policy(portal=portal)
    numbering = RoleRule(
        pairs=(("resident", "sspin.C"), ("resident", "sspin.G")),
        purposes=("linking", "numbering"),
        values_per_request=500,
        values_per_stream=0,
        values_per_minute=60_000,
    )
    rules = KeyRules(backups=1, cryptoperiod_days={"spin": 730, "sspin.G": 365}, drill_days=180)
    return Policy(roles={**before.roles, "numbering": numbering}, keys=rules)


def new_roster() -> Roster:
    """Officer 2 leaves, officer 4 joins, the certificate of oversight 1 is renewed; destroying needs more."""
    kept = [person("officer-1"), person("officer-3"), person("officer-4")]
    watching = [person("oversight-1", "oversight-1/2"), person("oversight-2")]
    thresholds = {**DEFAULT_THRESHOLDS, "destroy": Threshold(officers=3, oversight=2)}
    return Roster(people=(*kept, *watching), thresholds=thresholds)


ALL = ("officer-1", "officer-2", "officer-3", "oversight-1")
NEWER = ("officer-1", "officer-3", "officer-4", "oversight-1/2")


@dataclass
class FixedLedger:
    """The ledger while it grows: files and verified entries."""

    files: dict[str, bytes] = field(default_factory=dict)
    entries: list[chain.Entry] = field(default_factory=list)
    anchor: str = ""

    @property
    def state(self) -> LedgerState | None:
        """The newest state."""
        return self.entries[-1].state if self.entries else None

    def plan(self, title: str, *actions: Action, **changes: object) -> Plan:
        """The next plan."""
        state, created = self.state, START + len(self.entries) * timedelta(days=30)
        fields: dict[str, object] = {
            "type": "kagimori/plan/v1",
            "sequence": len(self.entries) + 1,
            "previous": state.head if state else NO_PREVIOUS,
            "title": title,
            "created": render_instant(created),
            "expires": render_instant(created + timedelta(days=14)),
            "rehearsal": bool(state and state.rehearsal),
            "actions": actions,
        }
        return Plan(**{**fields, **changes})  # type: ignore[arg-type]

    def add(self, plan: Plan, who: Iterable[str] = ALL, *, notes: tuple[str, ...] = (), troubled: bool = False) -> None:
        """Approve it, carry it out, verify the entry."""
        content, created = canonical.encode(plan), datetime.fromisoformat(plan.created)
        signed = [cms.sign(content, signer(one), created + (30 + number) * MINUTE) for number, one in enumerate(who)]
        authorization, beside = cms.merge(signed), self._annexes(plan, created) if troubled else {}
        happened = self._outcome(plan, authorization, beside, notes)
        sealed = cms.sign(canonical.encode(happened), signer(self._signing(plan)), created + 63 * MINUTE)
        self.anchor = self.anchor or chain.anchor_of(content)
        entry = chain.verify_entry(self.state, authorization, sealed, self.anchor, beside)
        names = chain.authorization_name(entry.sequence), chain.outcome_name(entry.sequence)
        self.files |= {names[0]: authorization, names[1]: sealed, **beside}
        self.entries.append(entry)

    def _signing(self, plan: Plan) -> str:
        restore = [action for action in plan.actions if isinstance(action, Restore)]
        serial = restore[0].source if restore else self.state.token_serial if self.state else APPLIANCE
        return f"identity of {TOKENS[serial]}"

    def _outcome(
        self, plan: Plan, authorization: bytes, beside: Mapping[str, bytes], notes: tuple[str, ...]
    ) -> Outcome:
        created = datetime.fromisoformat(plan.created)
        results = tuple(self._results(plan))
        restored = any(isinstance(action, Restore) for action in plan.actions)
        serial = NEW if restored else self.state.token_serial if self.state else APPLIANCE
        return Outcome(
            type="kagimori/outcome/v1",
            sequence=plan.sequence,
            plan=hashlib.sha256(canonical.encode(plan)).hexdigest(),
            authorization=hashlib.sha256(authorization).hexdigest(),
            started=render_instant(created + 60 * MINUTE),
            finished=render_instant(created + 62 * MINUTE + timedelta(seconds=7)),
            operator="佐藤　花子",
            tool="keyceremony 0.1.0",
            token=facts(serial),
            results=results,
            durations=tuple(137 + 2161 * number for number in range(len(results))),
            notes=tuple(
                Note(at=render_instant(created + (40 + number) * MINUTE), text=text)
                for number, text in enumerate(notes)
            ),
            annexes=annexes.digests(beside),
        )

    def _annexes(self, plan: Plan, created: datetime) -> dict[str, bytes]:
        """A refusal of an earlier plan of this number, and an attempt that failed."""
        refusal = Refusal(
            type="kagimori/refusal/v1",
            sequence=plan.sequence,
            plan=hashlib.sha256(b"an earlier plan").hexdigest(),
            person="oversight-2",
            reason="題名と鍵世代が一致しない (the title names another sector than the action)",
            at=render_instant(created + 5 * MINUTE),
        )
        attempt = Attempt(
            type="kagimori/attempt/v1",
            sequence=plan.sequence,
            plan=hashlib.sha256(canonical.encode(plan)).hexdigest(),
            started=render_instant(created + 45 * MINUTE),
            ended=render_instant(created + 46 * MINUTE),
            operator="佐藤　花子",
            tool="keyceremony 0.1.0",
            token=facts(APPLIANCE),
            ended_by="failure",
            reason="token vault-1: was removed while the copy was verified",
            step="3.copy.1111222233334444 make",
            removed=(fixed_id("removed"),),
            left=(fixed_id("left"),),
        )
        identity = signer(self._signing(plan))
        return {
            annexes.name_of(plan.sequence, "attempt", 1): cms.sign(
                canonical.encode(attempt), identity, created + 46 * MINUTE
            ),
            annexes.name_of(plan.sequence, "refusal", 1): cms.sign(
                canonical.encode(refusal), signer("oversight-2"), created + 5 * MINUTE
            ),
        }

    def _results(self, plan: Plan) -> Iterator[ActionResult]:
        if self.state is None:
            yield Founded(key_id=fixed_id("identity of kagimori"), certificate=_certificate("identity of kagimori"))
            return
        book = Book(self.state)
        for action in plan.actions:
            before = {generation: key for generation, key in book.keys.keys.items()}
            effect = book.carry_out(action, Made(b"?" * 16, b"?" * 6))
            clone = _clone_result(action, book, before)
            yield clone if clone is not None else _result(action, book, before, effect.after or "")


def _certificate(name: str) -> str:
    return encode_certificate(signer(name).certificate)


def _copies(book: Book, serial: str | None, rule: Mapping[str, bool | int | str]) -> tuple[CopiedKey, ...]:
    """The keys of a backup token, or all (None), as they are on another token."""
    return tuple(
        CopiedKey(
            generation=str(key.generation),
            key_id=key.key_id.hex(),
            check_value=key.check_value.hex(),
            attributes={**rule, "value_len": 0, "local": False, "modifiable": True},
            origin=key.origin,
        )
        for key in book.live()
        if serial is None or serial in key.copies
    )


def _clone_result(action: Action, book: Book, before: Mapping[Generation, KeyRecord]) -> ActionResult | None:
    """Of an action on a clone; None: it is another one."""
    if not isinstance(action, EnrollClone | UpdateClone | RemoveClone):
        return None
    serial, marks = action.token_serial, {"value_len": 0, "local": False, "modifiable": True}
    keys = tuple(
        CopiedKey(
            generation=str(generation),
            key_id=key.key_id.hex(),
            check_value=key.check_value.hex(),
            attributes={**RESTORED, **marks},
            origin=key.origin,
        )
        for generation, key in sorted(book.keys.keys.items())
        if serial in key.clones and serial not in before[generation].clones
    )
    if isinstance(action, EnrollClone):
        return CloneEnrolled(token=facts(serial), keys=keys, log_key=_clone_log_key(action))
    if isinstance(action, UpdateClone):
        return CloneUpdated(serial=serial, keys=keys)
    held = [key.key_id.hex() for _, key in sorted(before.items()) if serial in key.clones]
    own = book.state.clones[serial].log_key_id.hex()
    return CloneRemoved(serial=serial, removed=() if action.lost else (*held, own))


def _clone_log_key(action: EnrollClone) -> CloneLogKey:
    public = log_public_key(action.token_label)
    label = {"label": f"log {action.log_name}"}
    return CloneLogKey(
        key_id=fixed_id(f"log {action.token_label}"),
        check_value=log_check_value(public).hex(),
        public_key=encode_log_key(public),
        attributes={**LOG_KEY, "key_gen_mechanism": "ec_edwards_key_pair_gen", "modifiable": True, **label},
    )


def _result(  # noqa: PLR0911 (one for each kind of action)
    action: Action, book: Book, before: Mapping[Generation, KeyRecord], after: str
) -> ActionResult:
    match action:
        case Generate() if Generation.parse(action.generation).domain == LOG:
            public = log_public_key(action.generation)
            return GeneratedPair(
                generation=action.generation,
                key_id=fixed_id(action.generation),
                check_value=log_check_value(public).hex(),
                public_key=encode_log_key(public),
                attributes={**LOG_KEY, "key_gen_mechanism": "ec_edwards_key_pair_gen", "modifiable": True},
            )
        case Generate():
            rule = BACKED_UP if action.backups else NEVER_EXTRACTABLE
            return Generated(
                generation=action.generation,
                key_id=fixed_id(action.generation),
                check_value=fixed_check_value(action.generation),
                attributes={**rule, "key_gen_mechanism": "aes_key_gen", "modifiable": True},
                copies={
                    serial: {**COPY, "value_len": 0, "local": False, "modifiable": True} for serial in action.backups
                },
            )
        case Destroy():
            was = before[Generation.parse(action.generation)]
            held = was.copies | was.clones
            return Destroyed(generation=action.generation, absent_from=(book.token.serial, *sorted(held)))
        case ChangeRoster() | ChangePolicy() | AddDomain():
            subject = action.domain.name if isinstance(action, AddDomain) else type(action).__name__[6:].lower()
            return Recorded(subject=subject, digest=content_digest(action))
        case EnrollBackup():
            label = action.token_label
            return BackupEnrolled(
                token=facts(action.token_serial),
                transport_id=fixed_id(f"transport {label}"),
                transport_key=TRANSPORT_KEYS[action.token_serial],
                trusted_id=fixed_id(f"trusted {label}"),
                key_id=fixed_id(f"identity {label}"),
                certificate=_certificate(f"identity of {label}"),
                attributes=dict(TRANSPORT),
                copies=_copies(book, action.token_serial, COPY),
            )
        case RemoveBackup():
            gone = book.state.backups[action.token_serial]
            held = [key.key_id for key in book.state.keys.values() if gone.serial in key.copies]
            removed = [] if action.lost else [gone.transport_id, gone.identity_key_id, *held]
            return BackupRemoved(
                serial=gone.serial, removed=tuple(one.hex() for one in removed), trusted_id=gone.trusted_id.hex()
            )
        case Restore():
            label = action.token_label
            return Restored(
                key_id=fixed_id(f"identity of {label}"),
                certificate=_certificate(f"identity of {label}"),
                keys=_copies(book, None, RESTORED),
                trusted={serial: fixed_id(f"trusted again {serial}") for serial in book.backups},
            )
        case Drill():
            return Drilled(scratch=facts(action.token_serial), keys=_copies(book, action.source, RESTORED))
        case _:
            return StateChanged(generation=action.generation, state=after)  # type: ignore[union-attr]


def first_keys() -> list[Action]:
    """Fourteen actions."""
    tree = [
        ("common.1", None),
        ("spin.1", None),
        ("sspin.B.1", "spin.1"),
        ("sspin.C.1", "spin.1"),
        ("sspin.E.1", "spin.1"),
    ]
    tree.append(("tag.1", None))
    made: list[Action] = [Generate(generation=name, parent=parent, backups=(VAULT_1,)) for name, parent in tree]
    made.append(Generate(generation="log.1", parent=None))
    return made + [Activate(generation=name) for name in (*(name for name, _ in tree), "log.1")]


def plans() -> list[tuple[str, tuple[Action, ...]]]:
    """Every kind of action, in an order that the rules allow."""
    sector = DomainSpec(
        name="sspin.G",
        title="教育",
        parent="spin",
        format=FormatSpec(alphabet="0123456789", length=18, check="none"),
    )
    return [
        ("番号連携基盤の創設 (Genesis of the linkage scheme)", (found(),)),
        ("バックアップトークンの登録", (EnrollBackup(token_label="vault-1", token_serial=VAULT_1, copy_from=None),)),
        ("最初の鍵 (First keys)", tuple(first_keys())),
        ("第二の金庫", (EnrollBackup(token_label="vault-2", token_serial=VAULT_2, copy_from=VAULT_1),)),
        ("教育分野の追加", (AddDomain(domain=sector), ChangePolicy(policy=new_policy()))),
        (
            "C 分野の鍵の更新 (Rotation of sector C)",
            (
                Generate(generation="sspin.C.2", parent="spin.1", backups=(VAULT_1, VAULT_2)),
                Activate(generation="sspin.C.2"),
            ),
        ),
        ("E 分野の緊急停止", (Restrict(generation="sspin.C.1"), Suspend(generation="sspin.E.1"))),
        (
            "追認と解除",
            (Ratify(generation="sspin.E.1"), Resume(generation="sspin.E.1"), Retire(generation="sspin.C.1")),
        ),
        ("旧い鍵の破棄 (Destroying the old key of sector C)", (Destroy(generation="sspin.C.1"),)),
        ("異動に伴う名簿の変更 (Change of the roster)", (ChangeRoster(roster=new_roster()),)),
        ("復元訓練", (Drill(token_label="scratch", token_serial=SCRATCH, source=VAULT_1),)),
        (
            "装置の復元 (Recovery)",
            (Restore(token_label="kagimori-2", token_serial=NEW, source=VAULT_1, lost=("log.1",)),),
        ),
        ("紛失したトークンの除籍", (RemoveBackup(token_serial=VAULT_2, lost=True),)),
        ("金庫の入れ替え", (RemoveBackup(token_serial=VAULT_1, lost=False),)),
    ]


NOTES = ("封筒 3 の封印番号が控えと異なる: 47 は 74 の誤記 (seal number written wrongly)", "停電のため 4 分中断")


@cache
def ledger() -> FixedLedger:
    """All of it."""
    made = FixedLedger()
    for title, actions in plans():
        number = len(made.entries) + 1
        who = (*ALL, "officer-4", "oversight-1/2") if number == 10 else NEWER if number > 10 else ALL
        made.add(made.plan(title, *actions), who, notes=NOTES if number == 3 else (), troubled=number == 3)
    return made


@cache
def given_up() -> FixedLedger:
    """As far as the drill; then a key without a copy, and a recovery that gives it up (entry 13)."""
    whole = ledger()
    made = FixedLedger(dict(whole.files), whole.entries[:11], whole.anchor)
    made.add(made.plan("写しのない鍵", Generate(generation="sspin.E.2", parent="spin.1")), NEWER)
    action = Restore(token_label="kagimori-2", token_serial=NEW, source=VAULT_1, lost=("log.1", "sspin.E.2"))
    made.add(made.plan("装置の復元", action), NEWER)
    return made


@cache
def cloned() -> FixedLedger:
    """As far as the second vault; then a clone (entry 5), a rotation that takes it along, and its end."""
    whole = ledger()
    made = FixedLedger(dict(whole.files), whole.entries[:4], whole.anchor)
    census = CensusCitation(digest=fixed_id("census") * 2, counted=1_234_567, left=3)
    steps: list[tuple[str, Action]] = [
        (
            "大阪の装置 (An appliance of its own in Osaka)",
            EnrollClone(token_label="kagimori-osaka", token_serial=OSAKA, source=VAULT_1, log_name="osaka"),
        ),
        ("C 分野の新しい鍵", Generate(generation="sspin.C.2", parent="spin.1", backups=(VAULT_2,))),
        ("大阪の装置に届ける", UpdateClone(token_serial=OSAKA, source=VAULT_2)),
        ("C 分野の鍵の更新", Activate(generation="sspin.C.2")),
        ("旧い鍵の制限", Restrict(generation="sspin.C.1")),
        ("旧い鍵の廃止 (Retiring the old key of sector C)", Retire(generation="sspin.C.1", census=census)),
        ("旧い鍵の破棄", Destroy(generation="sspin.C.1")),
        ("大阪の装置の撤去", RemoveClone(token_serial=OSAKA, lost=False)),
    ]
    for title, action in steps:
        made.add(made.plan(title, action))
    return made


@cache
def rehearsal() -> FixedLedger:
    """A rehearsal's ledger, of one entry."""
    made = FixedLedger()
    made.add(made.plan("予行: 創設 (Genesis, rehearsed)", found(), rehearsal=True))
    return made
