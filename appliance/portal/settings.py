"""The portal's configuration, ``portal.toml``: where it listens, whom it asks and believes, what things are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from appliance import tomlfile
from appliance.bilingual import Language, Text
from appliance.tlog import cosignature
from appliance.tlog.errors import TlogError
from appliance.tlog.note import VerifierKey
from appliance.tomlfile import Section
from appliance.web.listening import Listen

HINT = "docs/portal.md lists every key"
Paths = Annotated[tuple[Path, ...], msgspec.Meta(min_length=1, max_length=16)]
Keys = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=16)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Appliance(Section, frozen=True, kw_only=True):
    """``[appliance]``: the daemon's socket of the portal's role; the domain of the holders' numbers."""

    socket: Path
    domain: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9.-]{0,31}\Z")] = "common"


class Log(Section, frozen=True, kw_only=True):
    """``[log]``: verifier keys (C2SP signed-note) of the log and its witnesses, from the oversight body."""

    keys: Keys
    witnesses: Keys

    def __post_init__(self) -> None:
        try:
            names = {VerifierKey.parse(key).name for key in self.keys}
            for key in self.witnesses:
                cosignature.cosigner(key)
        except TlogError as error:
            raise ValueError(f"Expected verifier keys: {error.message}") from None
        if len(names) != 1:
            raise ValueError("Expected `keys` to be those of one log")


class Cards(Section, frozen=True, kw_only=True):
    """``[cards]``: PEM files of the authorities and their lists of revoked certificates; whose card is whose.

    ``module`` and ``label``: what the command that is shown to visitors names, if they are the same for all.
    """

    authorities: Paths
    crls: Paths
    holders: Path
    module: str | None = None
    label: str | None = None


class Files(Section, frozen=True, kw_only=True):
    """``[files]``: what the portal writes: sign-ins, and who has marked which record."""

    journal: Path
    marks: Path


class Contact(Section, frozen=True, kw_only=True):
    """Whom to ask, in both languages: one line of text."""

    ja: Title
    en: Title


class Page(Section, frozen=True, kw_only=True):
    """``[page]``: whom visitors can ask; the language of browsers that ask for neither."""

    contact: Contact
    language: Language = "ja"


class PortalSettings(Section, frozen=True, kw_only=True):
    """The whole file. ``domains``, ``roles``, ``purposes``: what they are called on the pages, beside what is known."""

    listen: Listen
    appliance: Appliance
    log: Log
    cards: Cards
    files: Files
    page: Page
    domains: Mapping[str, Text] = {}
    roles: Mapping[str, Text] = {}
    purposes: Mapping[str, Text] = {}


def load(path: Path) -> PortalSettings:
    """The portal's configuration.

    Raises:
        ConfigurationError: naming file and key.
    """
    return tomlfile.load(path, PortalSettings, HINT)
