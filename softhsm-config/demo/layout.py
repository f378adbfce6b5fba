"""Where everything of a demo is: one folder (``var/demo``), made anew by each run."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from appliance.configuration import LONGEST_SOCKET_PATH
from appliance.errors import KagimoriError

PROJECT = Path(__file__).resolve().parents[2]
ROLES = ("hub", "numbering", "oversight", "portal", "rekey")
APPLIANCE, BACKUP = "appliance", "backup"  # the appliance's tokens; the others are the people's own
CARD, LOST_CARD = "citizens-card", "lost-card"
LABELS = (APPLIANCE, BACKUP, "officer-1", "officer-2", "officer-3", "oversight-1", CARD, LOST_CARD)
_MARK = "this folder belongs to the demo and is emptied by it"


class DemoError(KagimoriError):
    """The demo cannot go on."""


@dataclass(frozen=True)
class Tools:
    """What softhsm-config/bootstrap.sh found or unpacked."""

    module: Path
    softhsm2_util: Path
    pkcs11_tool: Path
    openssl: Path
    curl: Path


@dataclass(frozen=True)
class Layout:
    """Paths below one folder. ``folder`` is absolute."""

    folder: Path

    @property
    def home(self) -> Path:
        """The appliance's own folder: configuration, ledger, audit records, sockets."""
        return self.folder / "appliance"

    @property
    def witness(self) -> Path:
        """The keys of the oversight body's witness."""
        return self.folder / "witness"

    @property
    def copy(self) -> Path:
        """The exported copy of the audit log."""
        return self.folder / "log-copy"

    @property
    def page(self) -> Path:
        """The auditors' report."""
        return self.folder / "report.html"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.home / "kagimori.toml"

    @property
    def ledger(self) -> Path:
        """The ledger."""
        return self.home / "ledger"

    def softhsm_conf(self, label: str) -> Path:
        """SoftHSM's configuration for one token, which has a store of its own as a smart card would.

        SoftHSM fails to list a store in which another process is making an object, so the people, who work at
        the same time, must not share one. The backup token is plugged in beside the appliance's.
        """
        return self.folder / "softhsm" / (APPLIANCE if label == BACKUP else label) / "softhsm2.conf"

    @property
    def pins(self) -> Path:
        """PIN files, mode 0400, in a folder of mode 0700."""
        return self.folder / "pins"

    @property
    def cards(self) -> Path:
        """The participants' cards."""
        return self.folder / "cards"

    @property
    def register(self) -> Path:
        """The resident register."""
        return self.folder / "register.csv"

    @property
    def summary(self) -> Path:
        """What happened, as JSON; written last."""
        return self.folder / "summary.json"

    @property
    def script(self) -> Path:
        """The printed script of the ceremony of the first keys."""
        return self.folder / "script.html"

    @property
    def minutes(self) -> Path:
        """The minutes of that ceremony."""
        return self.folder / "minutes.html"

    @property
    def log(self) -> Path:
        """Every command and its output."""
        return self.folder / "demo.log"

    @property
    def daemon_log(self) -> Path:
        """The daemon's own log."""
        return self.home / "daemon.log"

    @property
    def pid_file(self) -> Path:
        """The daemon's process id."""
        return self.home / "daemon.pid"

    @property
    def run(self) -> Path:
        """Where the sockets are; behind a symbolic link when this path is too long for them."""
        return self.home / "run"

    def sector(self, letter: str) -> Path:
        """A sector's own SQLite file."""
        return self.folder / "sectors" / f"{letter}.sqlite"

    @property
    def web(self) -> Path:
        """What portal and desk are configured with, and keep."""
        return self.folder / "web"

    def book(self, letter: str) -> Path:
        """A sector's book of exchanges."""
        return self.folder / "sectors" / f"{letter}.book.sqlite"

    @property
    def common_numbers(self) -> Path:
        """The register's own table: who has which common number."""
        return self.folder / "common-numbers.csv"

    @property
    def bases(self) -> Path:
        """The hub's table of legal bases."""
        return self.folder / "hub" / "legal-basis.toml"

    @property
    def hub_journal(self) -> Path:
        """What the hub keeps: no number, no name."""
        return self.folder / "hub" / "journal.jsonl"

    @property
    def rekeyed(self) -> Path:
        """Sector E's numbers after the rotation of its key."""
        return self.folder / "sector-e.2.csv"

    def pin_file(self, label: str) -> Path:
        """The PIN of a token."""
        return self.pins / label

    def socket(self, role: str) -> Path:
        """The socket of a role, at a path short enough for a socket."""
        return self._sockets / f"{role}.sock"

    @cached_property
    def _sockets(self) -> Path:
        longest = max(len(os.fsencode(self.run / f"{role}.sock")) for role in ROLES)
        return self.run if longest <= LONGEST_SOCKET_PATH else _short_folder(self.folder)

    def environment(self, label: str) -> dict[str, str]:
        """The environment of a command: SoftHSM sees this one token of the demo and no other."""
        return {**os.environ, "SOFTHSM2_CONF": str(self.softhsm_conf(label))}

    # --- making and removing ----------------------------------------------------------------------

    def empty(self) -> None:
        """Remove an earlier run. Only a folder that a demo made (or an empty one) is touched.

        Raises:
            DemoError: the folder holds something else.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = self.folder / ".demo"
        found = [path for path in self.folder.iterdir() if path.name not in (mark.name, "lock")]
        if found and not mark.exists():
            raise DemoError(f"{self.folder}: is not empty and no demo made it", "name another folder")
        mark.write_text(_MARK + "\n", encoding="utf-8")
        for path in found:
            _remove(path)

    def make(self) -> None:
        """Make the folders of a new run."""
        for name in ("pins", "cards", "sectors", "hub", "web", "appliance", "appliance/state", "appliance/audit"):
            (self.folder / name).mkdir(mode=0o700)
        for label in LABELS:
            (self.softhsm_conf(label).parent / "tokens").mkdir(mode=0o700, parents=True, exist_ok=True)
            self.write_softhsm_conf(label)

    def write_softhsm_conf(self, label: str) -> None:
        """SoftHSM's configuration, from the template, with this folder's absolute path."""
        template = (PROJECT / "softhsm-config" / "softhsm2.conf.in").read_text(encoding="utf-8")
        conf = self.softhsm_conf(label)
        conf.write_text(template.replace("@TOKENS@", str(conf.parent / "tokens")), encoding="utf-8")

    def make_run(self) -> None:
        """The folder of the sockets, private to this user.

        Raises:
            DemoError: the short path is somebody else's already.
        """
        self.drop_run()
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        status = self._sockets.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise DemoError(f"{self._sockets}: not a folder of yours alone", "remove it, or move the project")
        if self._sockets != self.run:
            self.run.symlink_to(self._sockets)

    def drop_run(self) -> None:
        """Remove a short folder outside this one, and the link to it."""
        if self.run.is_symlink():
            self.run.unlink()
            with suppress(OSError):
                self._sockets.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one demo at a time.

        Raises:
            DemoError: another one runs in it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DemoError(
                    f"{self.folder}: another demo runs in it", "end it first (make serve: Ctrl-C in its terminal)"
                ) from None
            yield


def tools() -> Tools:
    """The paths in ``var/softhsm/env``.

    Raises:
        DemoError: SoftHSM2 has not been set up.
    """
    written = PROJECT / "var" / "softhsm" / "env"
    try:
        lines = written.read_text(encoding="utf-8").splitlines()
        paths = {name: Path(path) for name, path in (line.split("=", 1) for line in lines)}
        return Tools(
            paths["KAGIMORI_SOFTHSM_MODULE"],
            paths["KAGIMORI_SOFTHSM2_UTIL"],
            paths["KAGIMORI_PKCS11_TOOL"],
            paths["KAGIMORI_OPENSSL"],
            paths["KAGIMORI_CURL"],
        )
    except (OSError, ValueError, KeyError):
        raise DemoError("SoftHSM2 is not set up here", "run make demo, or sh softhsm-config/bootstrap.sh") from None


def _short_folder(folder: Path) -> Path:
    """A short path, the same for the same demo folder."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 -- make_run checks owner and mode
    return base / f"kagimori-{os.geteuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
