"""The one TOML file that daemon, engine and command lines read, strictly: unknown keys are refused.

Every error names the file and the key. Relative paths are relative to the file, so that a configuration
can be moved together with what it names. The file holds no secret: the PIN is in a file of its own, or is a
credential that systemd hands to the service.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from appliance import tomlfile
from appliance.tomlfile import ConfigurationError, Section

LARGEST_PIN = 255
MOST_CLONES = 16
LONGEST_SOCKET_PATH = 107  # sun_path has 108 bytes, the last one zero (unix(7))
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), CREDENTIALS

Role = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
CredentialName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
TrustAnchor = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
LogName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
Processes = Annotated[int, msgspec.Meta(ge=1, le=64)]
UserId = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 2)]


class PinFileRefused(ConfigurationError):
    """The PIN's file is missing, open to others, or does not hold one PIN."""


class _Login(Section, frozen=True, kw_only=True):
    """A table that names the PIN of a token: its file, or the systemd credential that it is."""

    table: ClassVar[str]
    pin_file: Path | None = None
    pin_credential: CredentialName | None = None

    def __post_init__(self) -> None:
        if (self.pin_file is None) == (self.pin_credential is None):
            raise ValueError("Expected exactly one of `pin_file` and `pin_credential`")

    @property
    def pin_path(self) -> Path:
        """The file that a service reads its PIN from.

        Raises:
            ConfigurationError: the PIN is a credential, and this process was given none.
        """
        if self.pin_file is not None:
            return self.pin_file
        folder = os.environ.get(CREDENTIALS_DIRECTORY)
        if not folder:
            raise ConfigurationError(
                f"{self.table} pin_credential {self.pin_credential}: this process was handed no credentials "
                f"({CREDENTIALS_DIRECTORY} is not set)",
                f"start it as a systemd service with LoadCredential={self.pin_credential}:PATH, or set pin_file",
            )
        return Path(folder) / str(self.pin_credential)


class TokenSection(_Login, frozen=True, kw_only=True):
    """``[token]``: PKCS#11 module, label of the appliance's token, its PIN's file or systemd credential."""

    table: ClassVar[str] = "[token]"
    module: Path
    label: Label


class CloneSection(_Login, frozen=True, kw_only=True):
    """``[[clone]]``: a further token that holds copies of the keys; what is left out is as for ``[token]``."""

    table: ClassVar[str] = "[[clone]]"
    label: Label
    module: Path | None = None
    processes: Processes | None = None
    socket: Path | None = None


@dataclass(frozen=True)
class EngineToken:
    """A token that engines work with. ``number``: 0 is ``[token]``, from 1 on the ``[[clone]]`` tables in order.

    ``socket``: where systemd starts its engines; None: the daemon starts them.
    """

    number: int
    module: Path
    label: str
    login: TokenSection | CloneSection
    processes: int
    socket: Path | None = None


class LedgerSection(Section, frozen=True):
    """``[ledger]``: its folder, and the pinned SHA-256 of the genesis plan (lower-case hex)."""

    directory: Path
    trust_anchor: TrustAnchor


class StateSection(Section, frozen=True):
    """``[state]``: folder of what an engine must remember, such as the newest ledger seen."""

    directory: Path


class AuditSection(Section, frozen=True):
    """``[audit]``: folder of the audit log, its name (one for each appliance), and days after which records go."""

    directory: Path
    name: LogName = "main"
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] = 2_557


class EngineSection(Section, frozen=True):
    """``[engine]``: number of engine processes of each token, and seconds after which a silent one is given up.

    With a ``socket``, systemd starts the engines of ``[token]`` there, and they serve ``daemon_user`` alone.
    """

    processes: Processes = 1
    deadline_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=600)] = 5.0
    socket: Path | None = None
    daemon_user: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] | None = None


class _Access(Section, frozen=True, kw_only=True):
    """A table that names a socket: optionally its group, and the only uids let in. ``keys``: what an error names."""

    keys: ClassVar[str]
    group: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] | None = None
    uids: tuple[UserId, ...] | None = None


class SocketSection(_Access, frozen=True):
    """``[[socket]]``: the one socket of a role."""

    keys: ClassVar[str] = "[[socket]] path and group"
    role: Role
    path: Path


class MetricsSection(_Access, frozen=True):
    """``[metrics]``: the socket that monitoring reads."""

    keys: ClassVar[str] = "[metrics] socket and group"
    role: ClassVar[str] = "metrics"  # a name for its callers; the policy's roles have no say here
    path: Path = msgspec.field(name="socket")


class Configuration(Section, frozen=True):
    """The whole file. ``sockets`` are its ``[[socket]]`` tables, ``clones`` its ``[[clone]]`` tables."""

    token: TokenSection
    ledger: LedgerSection
    state: StateSection
    audit: AuditSection
    engine: EngineSection = EngineSection()
    clones: Annotated[tuple[CloneSection, ...], msgspec.Meta(max_length=MOST_CLONES)] = msgspec.field(
        default=(), name="clone"
    )
    sockets: tuple[SocketSection, ...] = msgspec.field(default=(), name="socket")
    metrics: MetricsSection | None = None

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints (C2SP tlog-checkpoint, origin line)."""
        return f"kagimori/log/{self.ledger.trust_anchor[:16]}/{self.audit.name}"

    @property
    def tokens(self) -> tuple[EngineToken, ...]:
        """``[token]``, then the ``[[clone]]`` tables, with what they leave out filled in."""
        module, processes = self.token.module, self.engine.processes
        own = EngineToken(0, module, self.token.label, self.token, processes, self.engine.socket)
        clones = (
            EngineToken(number, clone.module or module, clone.label, clone, clone.processes or processes, clone.socket)
            for number, clone in enumerate(self.clones, 1)
        )
        return (own, *clones)


def load(path: Path) -> Configuration:
    """The configuration in a file.

    Raises:
        ConfigurationError: the file cannot be read, anybody may write to it, it is not TOML, or a key is
            missing, unknown or has a value that cannot be.
    """
    configuration = tomlfile.load(path, Configuration, "docs/configuration.md lists every key")
    _check_labels(path, configuration)
    _check_engines(path, configuration)
    _check_sockets(path, configuration)
    return configuration


def read_pin(path: Path) -> str:
    """The PIN in a file that its owner alone may read. No error shows what the file holds.

    Raises:
        PinFileRefused: missing, not a regular file, open to group or others, another user's, or not one
            line of 1 to 255 printable bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise PinFileRefused(
            f"PIN file {path}: {error.strerror}",
            "check the path on the command line, or [token] pin_file or pin_credential in the configuration",
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        _check_private(path, os.fstat(descriptor))
        content = file.read(LARGEST_PIN + 2)
    return _one_line(path, content)


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PinFileRefused(f"PIN file {path}: not a regular file", "put the PIN on the one line of a file")
    if status.st_mode & 0o077 and not _is_systemds(path, status):
        raise PinFileRefused(f"PIN file {path}: group or others can read or write it", f"chmod 600 {path}")
    if status.st_uid not in (os.geteuid(), 0):
        raise PinFileRefused(f"PIN file {path}: belongs to another user", "make it the user's who runs this")


def _is_systemds(path: Path, status: os.stat_result) -> bool:
    """Whether systemd wrote the file for a service with a user of its own.

    It grants that user an ACL entry on a 0400 file of root's, and the entry's mask shows as a group bit: 0440.
    """
    private = stat.S_IMODE(status.st_mode) == 0o440 and (status.st_uid, status.st_gid) == (0, 0)
    return private and str(path.parent) == os.environ.get(CREDENTIALS_DIRECTORY)


def _one_line(path: Path, content: bytes) -> str:
    try:
        pin = content.removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError:
        pin = ""
    if not pin or not pin.isprintable() or len(pin.encode()) > LARGEST_PIN:
        raise PinFileRefused(
            f"PIN file {path}: must hold the PIN on one line and nothing else", "at most 255 printable bytes"
        ) from None
    return pin


def _check_labels(path: Path, configuration: Configuration) -> None:
    labels = [token.label for token in configuration.tokens]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise ConfigurationError(
            f"{path}: [clone.label] {twice} is there twice", "one table for each token; processes says how many engines"
        )


def _check_engines(path: Path, configuration: Configuration) -> None:
    """Either the daemon starts every engine, or systemd does; else the daemon's user could still read a PIN."""
    engine = configuration.engine
    if (engine.socket is None) != (engine.daemon_user is None):
        raise ConfigurationError(
            f"{path}: [engine] socket and daemon_user: one is there without the other",
            "engines that systemd starts serve one user alone: that of `appliance serve`",
        )
    for clone in configuration.clones:
        if (clone.socket is None) != (engine.socket is None):
            raise ConfigurationError(
                f"{path}: [clone.socket] {clone.label}: systemd starts the engines of every token, or of none",
                "give [engine] and every [[clone]] a socket, or none of them",
            )


def _check_sockets(path: Path, configuration: Configuration) -> None:
    sockets, metrics = configuration.sockets, configuration.metrics
    paths = [("socket.path", str(item.path)) for item in sockets]
    paths += [] if metrics is None else [("metrics.socket", str(metrics.path))]
    named = [("clone.socket" if token.number else "engine.socket", token.socket) for token in configuration.tokens]
    paths += [(key, str(path)) for key, path in named if path is not None]
    roles = [("socket.role", item.role) for item in sockets]
    roles += [] if metrics is None else [("metrics", metrics.role)]  # systemd tells sockets apart by these names
    for pairs in (roles, paths):
        values = [value for _, value in pairs]
        for number, (key, value) in enumerate(pairs):
            if value in values[:number]:
                raise ConfigurationError(f"{path}: [{key}] {value} is there twice", "one socket for each role")
    for key, value in paths:
        if len(os.fsencode(value)) > LONGEST_SOCKET_PATH:
            raise ConfigurationError(
                f"{path}: [{key}] {value} has more than {LONGEST_SOCKET_PATH} bytes", "take a shorter path"
            )
