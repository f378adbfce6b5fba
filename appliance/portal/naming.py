"""What roles, purposes and kinds of numbers are called on a page; what has no name is shown as the log has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.bilingual import Text
from appliance.hubkit.wire import domain_of
from appliance.portal.settings import PortalSettings
from appliance.web.wording import Words, texts

PACKAGE = "appliance.portal"


@dataclass(frozen=True)
class Naming:
    """Names by kind: the configuration's before those of ``wording.toml``."""

    domains: Mapping[str, Text]
    roles: Mapping[str, Text]
    purposes: Mapping[str, Text]

    @classmethod
    def of(cls, settings: PortalSettings) -> Naming:
        """As configured."""
        return cls(
            {**_known("domain"), **settings.domains},
            {**_known("role"), **settings.roles},
            {**_known("purpose"), **settings.purposes},
        )

    def domain(self, t: Words, name: str) -> str:
        """A domain, or the domain of a generation (``sspin.B.1``)."""
        return _called(self.domains, domain_of(name), t)

    def role(self, t: Words, name: str) -> str:
        """A role."""
        return _called(self.roles, name, t)

    def purpose(self, t: Words, name: str) -> str:
        """A purpose."""
        return _called(self.purposes, name, t)


def _called(names: Mapping[str, Text], name: str, t: Words) -> str:
    return names[name].of(t.language) if name in names else t.shown(name)


def _known(section: str) -> dict[str, Text]:
    found = texts(PACKAGE)
    return {key.removeprefix(f"{section}."): text for key, text in found.items() if key.startswith(f"{section}.")}
