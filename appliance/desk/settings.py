"""``desk.toml``: which log is looked at, where its copy is kept, and where the desk listens; read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from appliance import tomlfile
from appliance.bilingual import Language
from appliance.configuration import TrustAnchor
from appliance.tomlfile import Section
from appliance.web.listening import Listen
from appliance.web.origin import Origin

EXPLAINED = "docs/desk.md lists every key"
PersonId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]


class LogSection(Section, frozen=True):
    """``[log]``: the daemon's socket of a role that may read the log, the trust anchor, and the desk's own folder.

    ``every_seconds``: how long from one look to the next. ``orders``: a folder of signed disclosure orders.
    """

    socket: Path
    trust_anchor: TrustAnchor
    directory: Path
    every_seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 30.0
    orders: Path | None = None


class CeremonySection(Section, frozen=True):
    """``[ceremony]``: the configuration that ``keyceremony`` is asked with, and how often.

    ``people``: those whose approval the overview counts as oversight's; none named: everybody of that role.
    """

    config: Path
    every_seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 60.0
    people: tuple[PersonId, ...] = ()


class PagesSection(Section, frozen=True):
    """``[pages]``: whose days and nights are meant, and the language where a browser asks for neither of the two."""

    timezone: str = "Asia/Tokyo"
    language: Language = "ja"


class AccessSection(Section, frozen=True):
    """``[access]``: the file of the key that a browser must give. Without it, who can open the socket may look."""

    key_file: Path


class Desk(Section, frozen=True):
    """The whole file."""

    log: LogSection
    listen: Listen
    ceremony: CeremonySection | None = None
    pages: PagesSection = PagesSection()
    access: AccessSection | None = None

    def __post_init__(self) -> None:
        if self.access is None and self.listen.socket is None:
            raise ValueError("Expected a table `[access]`: everybody on this machine can open a TCP port")

    @property
    def listen_origin(self) -> Origin:
        """Where browsers find it."""
        return Origin.parse(self.listen.origin)


def load(path: Path) -> Desk:
    """The desk's settings.

    Raises:
        ConfigurationError: the file cannot be used; the message names the key.
    """
    return tomlfile.load(path, Desk, EXPLAINED)
