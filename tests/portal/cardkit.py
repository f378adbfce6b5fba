"""Cards for tests: an authority, its revocation list, the register's file of holders; cards in memory and on tokens.

`build` makes all of it in a folder. A `SoftCard` has its key in memory and signs as the card's tool does; a `TokenCard`
has it on a SoftHSM token of its own and signs by a process, as ``appliance card sign`` does.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from signerkit import PrivateKey, SoftSigner

from appliance.ledger import cms
from appliance.numbers.checkdigits import individual_number
from appliance.portal.signin import answer
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.holders import Holder, write_holders
from tests.world import PROJECT, softhsm

PIN = "4826"
PORTAL = "https://portal.example"
DAY = timedelta(days=1)
# `appliance card` without the other commands, whose libraries take longer to load than the card takes to sign
TOOL = """
import sys
from appliance import commandline
from appliance.portal.card_command import card
sys.exit(commandline.run(card, "appliance card"))
"""


def _load() -> ModuleType:
    """The demo's authority; its folder is no package."""
    path = PROJECT / "softhsm-config" / "demo" / "cards.py"
    spec = importlib.util.spec_from_file_location("demo_cards", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


cards = _load()


@cache
def key(kind: str) -> PrivateKey:
    """A key, the same throughout the process."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa") or 2048))
    return ec.generate_private_key({"ec": ec.SECP384R1, "p256": ec.SECP256R1, "p521": ec.SECP521R1}[kind]())


def number(place: int) -> str:
    """A common number that nobody has."""
    digits = f"{place:011d}"
    return digits + individual_number(digits)


@dataclass(frozen=True)
class SoftCard:
    """A card with its key in memory."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def answer(self, challenge: str | bytes, at: datetime | None = None) -> str:
        """What is pasted."""
        document = challenge.encode() if isinstance(challenge, str) else challenge
        return answer.armoured(cms.sign(document, SoftSigner(self.key, self.der), at or datetime.now(UTC)))


@dataclass(frozen=True)
class TokenCard:
    """A card on a SoftHSM token of its own. ``folder`` holds its PIN's file, ``pin``."""

    folder: Path
    label: str
    certificate: x509.Certificate

    @property
    def module(self) -> Path:
        return softhsm()["KAGIMORI_SOFTHSM_MODULE"]

    @property
    def pin_file(self) -> Path:
        return self.folder / "pin"

    @property
    def env(self) -> dict[str, str]:
        """The environment in which processes see this card and no other."""
        own = {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"), "PYTHONPATH": str(PROJECT), "LC_ALL": "C.UTF-8"}
        return {**os.environ, **own}

    def tool(self, command: str, *arguments: str | Path, challenge: str = "", **more: str) -> Any:
        """``appliance card COMMAND`` with this card, as a process of its own; what came of it."""
        words = [sys.executable, "-c", TOOL, command, "--module", self.module, "--label", self.label]
        return subprocess.run(
            [str(word) for word in (*words, *arguments)],
            env={**self.env, **more},
            input=challenge,
            capture_output=True,
            text=True,
            start_new_session=True,  # so that there is no terminal
        )

    def answer(self, challenge: str, portal: str = PORTAL) -> str:
        """What the card's tool prints for a challenge."""
        done = self.tool("sign", "--pin-file", self.pin_file, "--portal", portal, challenge=challenge)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)


@dataclass
class CardWorld:
    """An authority and its cards. ``now`` is when its cards and lists are in force; `refresh` writes its files anew."""

    folder: Path
    now: datetime
    authority: Any
    foreign: Any
    cards: dict[str, SoftCard] = field(default_factory=dict)
    rows: dict[CardId, Holder] = field(default_factory=dict)

    @property
    def authority_path(self) -> Path:
        return self.folder / "authority.pem"

    @property
    def crl_path(self) -> Path:
        return self.folder / "revoked.crl"

    @property
    def holders_path(self) -> Path:
        return self.folder / "holders.sqlite"

    def issue(self, name: str, kind: str = "rsa", *, by: Any = None, **validity: Any) -> SoftCard:
        """A further card in memory, valid around ``now`` unless told otherwise."""
        private = key(kind)
        validity = {"begins": self.now - DAY, **validity}
        certificate = (by or self.authority).issue(private.public_key(), **validity)
        self.cards[name] = SoftCard(private, certificate)
        return self.cards[name]

    def register(self, certificate: x509.Certificate, common: str, name: str) -> CardId:
        """Whose card it is; `refresh` writes it."""
        card = self.authority.card_id(certificate)
        self.rows[card] = Holder(common, name)
        return card  # type: ignore[no-any-return]

    def refresh(self) -> None:
        """The next revocation list, and the file of holders."""
        cards.put(self.authority_path, self.authority.certificate.public_bytes(Encoding.PEM))
        cards.put(self.crl_path, self.authority.crl(self.now - DAY / 24))
        write_holders(self.holders_path, self.rows.items())

    def token_card(self, label: str, kind: str, certificate_of: Mapping[str, Any] | None = None) -> TokenCard:
        """A card on a token: ``rsa`` or ``ec``. ``certificate_of``: as for `issue`."""
        folder = self.folder / label
        (folder / "tokens").mkdir(parents=True)
        template = (PROJECT / "softhsm-config" / "softhsm2.conf.in").read_text(encoding="utf-8")
        (folder / "softhsm2.conf").write_text(template.replace("@TOKENS@", str(folder / "tokens")), encoding="utf-8")
        os.close(os.open(folder / "pin", os.O_CREAT | os.O_EXCL, 0o600))
        (folder / "pin").write_text(PIN + "\n", encoding="ascii")
        tools = softhsm()
        env = {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
        new = ["--init-token", "--free", "--label", label, "--so-pin", "87654321", "--pin", PIN]
        subprocess.run([tools["KAGIMORI_SOFTHSM2_UTIL"], *new], env=env, check=True, capture_output=True)
        made = cards.Card(
            tools["KAGIMORI_PKCS11_TOOL"], tools["KAGIMORI_SOFTHSM_MODULE"], label, folder / "pin", dict(env)
        )
        asked = {"by": self.authority, "begins": self.now - DAY, **(certificate_of or {})}
        certificate = asked.pop("by").issue(made.make_key(kind), **asked)
        made.keep(certificate)
        return TokenCard(folder, label, certificate)


def build(folder: Path, now: datetime | None = None) -> CardWorld:
    """Cards ``rsa`` and ``ec`` that are good and registered, and one of each kind that is not let in."""
    folder.mkdir(parents=True, exist_ok=True)
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    authority, foreign = (cards.Authority(unit, key("p256"), begins=now - 900 * DAY) for unit in ("Cards", "Others"))
    foreign.key = key("ec")
    foreign.__post_init__()
    world = CardWorld(folder, now, authority, foreign)
    world.issue("rsa")
    world.issue("ec", "ec")
    world.issue("expired", begins=now - 800 * DAY, lasts=799 * DAY)
    world.issue("early", begins=now + DAY)
    world.authority.revoke(world.issue("revoked").certificate)
    world.authority.revoke(world.issue("held").certificate, x509.ReasonFlags.certificate_hold)
    world.issue("foreign", by=foreign)
    world.issue("stranger")
    for place, name in enumerate(("rsa", "ec", "expired", "early", "revoked", "held"), 1):
        world.register(world.cards[name].certificate, number(place), f"番号 {name}")
    world.refresh()
    return world
