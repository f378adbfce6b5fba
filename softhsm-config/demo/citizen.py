"""One citizen of the demo: signs in at the portal with a card, reads, has the proofs checked, and marks an entry.

What is marked must reach oversight's desk; a card that was reported lost must not be let in.
"""

from __future__ import annotations

import csv
import json
import re
import time
from itertools import islice
from pathlib import Path

import servers
from browsing import Browsing, Page
from cards import Authority, Card
from layout import CARD, LOST_CARD, DemoError, Layout, Tools
from people import Country
from running import Runner
from steps import Steps
from summary import Summary

from appliance.portal.signin.holders import Holder, write_holders

PATIENCE = 120.0  # seconds
KINDS = {CARD: "ec", LOST_CARD: "rsa"}


class Citizen:
    """``resident``: the citizen's place in the register."""

    def __init__(
        self,
        layout: Layout,
        tools: Tools,
        runner: Runner,
        steps: Steps,
        summary: Summary,
        country: Country,
        resident: int,
    ) -> None:
        self._layout = layout
        self._tools = tools
        self._runner = runner
        self._steps = steps
        self._summary = summary
        self._country = country
        self._resident = resident

    def make_cards(self) -> None:
        """An authority for cards; one card that is good, and an older one that was reported lost; who holds them."""
        with self._steps.step("Cards for signing in, and their authority") as step:
            authority, rows = Authority(), []
            holder = Holder(self._common_number(), self._country.residents[self._resident].attributes.name)
            for label, kind in KINDS.items():
                environment = {"SOFTHSM2_CONF": str(self._layout.softhsm_conf(label))}
                tool, module, pin = self._tools.pkcs11_tool, self._tools.module, self._layout.pin_file(label)
                card = Card(tool, module, label, pin, environment)
                certificate = authority.issue(card.make_key(kind))
                card.keep(certificate)
                rows.append((authority.card_id(certificate), holder))
                if label == LOST_CARD:
                    authority.revoke(certificate)
            authority.write(self._layout.web)
            write_holders(self._layout.web / "holders.sqlite", rows)
            step.result = "one on P-384, and an older one with RSA that was reported lost"

    def _common_number(self) -> str:
        with self._layout.common_numbers.open(encoding="ascii", newline="") as file:
            return next(islice(csv.DictReader(file), self._resident, None))["common_number"]

    def visit(self, origins: dict[str, str]) -> None:
        """The portal, and then the desk; both are running.

        Raises:
            DemoError: something was not as it must be.
        """
        portal = Browsing(origins["portal"])
        with self._steps.step("A card that was reported lost") as step:
            refused = self._sign_in(Browsing(origins["portal"]), LOST_CARD, origins["portal"])
            if refused.status != 403 or 'id="revoked"' not in refused.text:
                raise DemoError("a revoked card was not refused")
            self._summary.sign_ins["a card that was reported lost"] = "revoked"
            step.result = "refused with a page that says what to do, and recorded"
        with self._steps.step("A citizen signs in with their card and sees their history") as step:
            page = self._sign_in(portal, CARD, origins["portal"])
            if page.status != 200 or page.path != "/history":
                raise DemoError("a good card was not let in")
            self._summary.sign_ins["the citizen's card"] = "let in"
            self._summary.history = self._told(page)
            step.result = f"{self._summary.history['shown']} entries on the page, each with its proof"
        with self._steps.step("All of it saved, and its proofs checked without portal and appliance") as step:
            step.result = self._check(portal)
        with self._steps.step("One entry marked as not recognised, and seen on oversight's desk") as step:
            record, receipt = self._mark(portal, page)
            self._await_on_desk(origins["desk"], record, receipt)
            self._summary.desk = {"marked": record, "receipt": receipt}
            step.result = f"record {record}, receipt {receipt}: no name and no number, but there"

    def _sign_in(self, browser: Browsing, label: str, origin: str) -> Page:
        form = browser.get("/sign-in")
        challenge = self._layout.web / f"{label}.json"
        challenge.write_text(form.between("challenge"), encoding="utf-8")
        card: list[str | Path] = ["--module", self._tools.module, "--label", label]
        card += ["--pin-file", self._layout.pin_file(label)]
        answer = self._runner("appliance", "card", "sign", *card, "--portal", origin, challenge, token=label)
        return browser.send("/sign-in", form, answer=answer)

    def _told(self, page: Page) -> dict[str, int]:
        """How many entries the page has, by how far they are proven."""
        found = re.findall(
            r'<span class="badge (\w+)"><span aria-hidden="true">.</span>[^<]*?</span></header>', page.text
        )
        if not found or set(found) - {"good", "wait"}:
            raise DemoError("the citizen's history is empty, or not all of it is proven")
        return {"shown": len(found), "cosigned": found.count("good"), "pending": found.count("wait")}

    def _check(self, portal: Browsing) -> str:
        saved = self._layout.web / "history.json"
        saved.write_text(portal.get("/export.json").text, encoding="utf-8")
        histories = json.loads(saved.read_text(encoding="utf-8"))["histories"]
        self._summary.history["conversions"] = sum(len(one["conversions"]) for one in histories)
        self._summary.history["records"] = max(one["size"] for one in histories)
        keys = [word for key in servers.log_keys(self._layout) for word in ("--log-key", key)]
        witnesses = [word for key in servers.witness_keys(self._layout) for word in ("--witness", key)]
        said = self._runner("appliance", "portal", "check", saved, *keys, *witnesses, codes=(0, 1))
        if "NOT PROVEN" in said or not said.strip():
            raise DemoError("the citizen's own check found an entry that is not proven")
        return said.strip().splitlines()[-1]

    def _mark(self, portal: Browsing, history: Page) -> tuple[int, int]:
        """The newest entry's record, and the receipt for the mark."""
        found = re.search(r'href="/history/(\d+)/mark"', history.text)
        if found is None:
            raise DemoError("no entry can be marked")
        path = f"/history/{found[1]}/mark"
        done = portal.send(path, portal.get(path))
        return int(found[1]), int(done.between("receipt"))

    def _await_on_desk(self, origin: str, record: int, receipt: int) -> None:
        key = (self._layout.web / "desk.key").read_text(encoding="ascii").strip()
        desk, until = Browsing(origin, "desk", key), time.monotonic() + PATIENCE
        while True:
            page = desk.get("/marks")
            if all(f'href="/record/{number}"' in page.text for number in (record, receipt)):
                return
            if time.monotonic() > until:
                raise DemoError("the mark does not reach the desk")
            time.sleep(0.2)
