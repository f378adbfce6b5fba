"""The whole scheme at work against a running daemon: linking, exchanges, a rotation, a citizen, the oversight body."""

from __future__ import annotations

from contextlib import ExitStack

import servers
import wrongnumbers
from citizen import Citizen
from exchanges import Exchanges
from layout import DemoError, Layout, Tools
from linkage import Linkage
from parties import Parties
from people import Country
from rotation import Rotation
from running import Runner
from steps import Steps
from summary import Summary
from watching import Watching

from appliance.hubkit import Client


class Scheme:
    """``pid``: the daemon's."""

    def __init__(
        self, layout: Layout, tools: Tools, country: Country, runner: Runner, steps: Steps, summary: Summary, pid: int
    ) -> None:
        self._layout = layout
        self._tools = tools
        self._country = country
        self._runner = runner
        self._steps = steps
        self._summary = summary
        self._pid = pid

    def run(self, exchanges: int) -> None:
        """Everything, in order.

        Raises:
            DemoError: a result is not the truth.
        """
        with ExitStack() as stack:
            numbering = stack.enter_context(Client(self._layout.socket("numbering"), timeout=60))
            parties = stack.enter_context(Parties(self._layout, self._country))
            linkage = self._link(numbering, parties)
            citizen = self._exchange(numbering, parties, linkage, exchanges)
        self._look(citizen)

    def _link(self, numbering: Client, parties: Parties) -> Linkage:
        linkage = Linkage(self._layout, self._country, parties, self._runner, self._steps, self._summary)
        linkage.common_numbers(numbering)
        linkage.by_commands()
        linkage.by_library(numbering)
        with Client(self._layout.socket("hub"), timeout=60) as hub:
            linkage.check_pairs(hub)
            wrongnumbers.refused(numbering, hub, self._country, self._steps, self._summary)
        return linkage

    def _exchange(self, numbering: Client, parties: Parties, linkage: Linkage, number: int) -> Citizen:
        """The traffic; the citizen whom some of it was about."""
        for party in parties:
            party.keep_records()
        exchanges = Exchanges(self._layout, parties, self._steps, self._summary)
        try:
            exchanges.singles(number)
            exchanges.batches(number)
            exchanges.refused()
            exchanges.too_late()
            exchanges.awaiting(lambda party, member: linkage.again(numbering, party, member))
            self._rotate(exchanges, parties)
        finally:
            exchanges.close()
        wrongnumbers.write_sample(self._layout, parties)
        self._summary.hub_lines = self._hub_lines(parties)
        about = exchanges.asked_about
        return Citizen(self._layout, self._tools, self._runner, self._steps, self._summary, self._country, about)

    def _rotate(self, exchanges: Exchanges, parties: Parties) -> None:
        rotation = Rotation(self._layout, self._tools, self._runner, self._steps, self._summary, self._pid)
        rotation.turn(exchanges, parties["E"])

    def _hub_lines(self, parties: Parties) -> int:
        """How long the hub's journal is.

        Raises:
            DemoError: it has somebody's number or name in it.
        """
        text = self._layout.hub_journal.read_text(encoding="utf-8")
        personal = {number for party in parties for _, number in party.linked()}
        personal |= {resident.attributes.name for resident in self._country.residents}
        personal |= {resident.code for resident in self._country.residents}
        if any(each in text for each in personal):
            raise DemoError("the hub's journal has a person's number or name in it")
        return text.count("\n")

    def _look(self, citizen: Citizen) -> None:
        watching = Watching(self._layout, self._runner, self._steps, self._summary)
        citizen.make_cards()
        watching.witness("--begin")
        origins = servers.configure(self._layout, self._tools)
        with servers.running(self._layout, "portal", "desk"):
            citizen.visit(origins)
        watching.witness()
        watching.export()
