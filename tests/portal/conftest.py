"""One world for all tests of the portal: daemon and portal run as processes, a witness co-signs when told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.daemonkit import Daemon
from tests.portal.portalkit import Citizen, PortalProcess, Scene, scene


@dataclass(frozen=True)
class Stage:
    """Everything that runs."""

    scene: Scene
    daemon: Daemon
    portal: PortalProcess

    def citizen(self, card: str = "rsa", language: str = "ja") -> Citizen:
        """Somebody who is signed in with a card."""
        browser = self.portal.citizen(language)
        page = browser.sign_in(self.scene.cards.cards[card])
        assert page.status == 200, page.words
        return browser


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Records of two people, co-signed; then one of each that is not."""
    one = scene(tmp_path_factory.mktemp("p"))
    with Daemon(one.world) as daemon:
        one.register(daemon)
        for name in ("rsa", "ec"):
            one.exchange(daemon, name, f"{name}-1", times=2)
        one.cosign(daemon)
        for name in ("rsa", "ec"):
            one.exchange(daemon, name, f"案件 <b>{name}</b>")
        with PortalProcess(one) as portal:
            yield Stage(one, daemon, portal)
