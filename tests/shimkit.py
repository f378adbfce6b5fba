"""The faulty token on demand: a PKCS#11 module in front of SoftHSM that does what tests tell it (tests/faults/shim).

    shim = shimmed(copy_world(template, tmp_path / "w"))    # the world's configuration now names the shim
    with Daemon(world) as daemon:
        shim.do("C_EncryptUpdate fail CKR_DEVICE_ERROR times=1")
        ...
        assert shim.fired() == {"C_EncryptUpdate fail CKR_DEVICE_ERROR times=1": 1}

A command is ``FUNCTION ACTION [ARGUMENT] [key=LABEL] [skip=N] [times=N]``, FUNCTION a C_… name or ``*``:

    fail CODE       a name of `shimcodes.CKR`, or a number; the real function does nothing that shows
    delay MS        so many milliseconds
    hang            for ever; only SIGKILL ends it
    crash           SIGSEGV
    drop            every session is closed, then the call goes on
    swap LABEL      the key with that label instead; at C_EncryptInit, C_SignInit, and for one call at C_EncryptUpdate
    alter [BYTE]    one bit of the answer's byte 0, or BYTE (negative: from the end); of answers that have it
    short [UNITS]   the answer is said to be 1 (or more) shorter: bytes, objects, slots
    zero            all bytes of the answer are 0

``key=``: only where the call is about the key with that label, or with a label that ends in that word. Calls that fit
are counted over all processes together: the first ``skip`` of them pass, the next ``times`` (default: all) are met.
`Shim.do` begins to count anew.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from tests.shimcodes import CKR
from tests.world import PROJECT, World, softhsm

SOURCES = PROJECT / "tests" / "faults" / "shim"
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-nostdlib"]
LIBRARIES = ["-l:libc.so.6", "-lgcc"]  # by name, as an unpacked compiler has no linker script of the C library
NO_COMPILER = "no C compiler here: `make test` installs one; on Debian the packages are gcc and libc6-dev"
MOST_COMMANDS = 64
_WITH_ARGUMENT, _MAY_HAVE_ONE, _ALONE = ("fail", "delay", "swap"), ("alter", "short"), ("hang", "crash", "drop", "zero")
_COMMAND = re.compile(r"(\*|C_\w+) (\w+)(?: (?!\w+=)(\S+))?((?: (?:key|skip|times)=\S+)*)")


@dataclass(frozen=True)
class Command:
    """One command, checked. ``text``: as the test wrote it; ``line``: as the shim reads it."""

    text: str
    line: str
    skip: int
    times: int | None

    def fired(self, met: int) -> int:
        """How often it was done when so many calls fitted."""
        after = max(0, met - self.skip)
        return after if self.times is None else min(after, self.times)


class Shim:
    """A control file and the module that obeys it. ``real``: the module behind it (default: SoftHSM2)."""

    def __init__(self, folder: Path, real: Path | None = None, init: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.module = built()
        self.control = folder / "control"
        self._real = real or softhsm()["KAGIMORI_SOFTHSM_MODULE"]
        self._init = init
        self._commands: list[Command] = []
        self._round = 0
        self.clear()

    @property
    def variables(self) -> dict[str, str]:
        """What the shim is told by: environment variables."""
        told = {"KAGIMORI_SHIM_MODULE": str(self._real), "KAGIMORI_SHIM_CONTROL": str(self.control)}
        return told if self._init is None else {**told, "KAGIMORI_SHIM_INIT": self._init}

    def environment(self, world: World) -> dict[str, str]:
        """The environment of a process that uses this world's tokens through the shim."""
        return {**world.env, **self.variables}

    def do(self, *commands: str) -> None:
        """These commands instead of those before, for every process, from its next call on."""
        checked = [parse(text) for text in commands]
        assert len(checked) <= MOST_COMMANDS and len({command.text for command in checked}) == len(checked), commands
        self._commands = checked
        self._round += 1
        self._counters.write_bytes(bytes(8 * MOST_COMMANDS))
        fresh = self.control.with_suffix(".new")
        lines = [f"#{self._round}", *(command.line for command in checked)]
        fresh.write_text("".join(f"{line}\n" for line in lines), "ascii")
        fresh.replace(self.control)

    def clear(self) -> None:
        """No fault any more."""
        self.do()

    def met(self) -> dict[str, int]:
        """For each command, how many calls fitted so far, done or passed."""
        counts = struct.unpack(f"={MOST_COMMANDS}Q", self._counters.read_bytes())
        return {command.text: count for command, count in zip(self._commands, counts, strict=False)}

    def fired(self) -> dict[str, int]:
        """For each command, how often it was done so far."""
        met = self.met()
        return {command.text: command.fired(met[command.text]) for command in self._commands}

    @property
    def _counters(self) -> Path:
        return self.control.with_name(f"{self.control.name}.{self._round}")


def shimmed(world: World) -> Shim:
    """Make a world's configuration name the shim, and everything that is run in the world obey it."""
    shim = Shim(world.folder / "shim")
    text = world.config.read_text("utf-8")
    named = f'module = "{world.module}"'
    assert named in text, text
    world.config.write_text(text.replace(named, f'module = "{shim.module}"'), "utf-8")
    world.more_env = {**world.more_env, **shim.variables}
    return shim


def parse(text: str) -> Command:
    """A command, or an AssertionError: a mistake in a command must not look like a token without faults."""
    found = _COMMAND.fullmatch(text)
    assert found is not None, f"no command of the shim: {text}"
    function, action, argument, options = found.groups()
    assert function == "*" or function in functions(), f"no function of PKCS#11: {text}"
    fitting = _WITH_ARGUMENT + _MAY_HAVE_ONE if argument else _ALONE + _MAY_HAVE_ONE
    assert action in fitting, f"the action does not go with that argument: {text}"
    told = dict(option.split("=", 1) for option in options.split())
    if action == "fail":
        argument = hex(CKR[argument] if argument in CKR else int(argument, 0))
    words = [function, action, *([argument] if argument else []), *(f"{name}={value}" for name, value in told.items())]
    times = int(told["times"]) if "times" in told else None
    return Command(text, " ".join(words), int(told.get("skip", 0)), times)


@lru_cache
def functions() -> frozenset[str]:
    """The functions of PKCS#11 2.40, as the shim's header lists them."""
    return frozenset(re.findall(r"F\((C_\w+), \d\)", (SOURCES / "cryptoki.h").read_text("ascii")))


@lru_cache
def built() -> Path:
    """The shim, compiled once for these sources and this compiler, whoever asks first."""
    compiler = find_compiler()
    sources = sorted(SOURCES.glob("*.[ch]"))
    content = b"\0".join([*(path.read_bytes() for path in sources), compiler.encode(), *map(str.encode, FLAGS)])
    folder = PROJECT / "var" / "shim"
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / f"shim-{sha256(content).hexdigest()[:16]}.so"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not module.exists():
            _compile(compiler, [path for path in sources if path.suffix == ".c"], module)
    return module


def _compile(compiler: str, sources: list[Path], module: Path) -> None:
    unfinished = module.with_suffix(".unfinished")
    command = [compiler, *FLAGS, "-o", str(unfinished), *map(str, sources), *LIBRARIES]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, f"{' '.join(command)}\n{made.stderr}"
    unfinished.replace(module)


def find_compiler(written: Path = PROJECT / "var" / "softhsm" / "compiler", path: str | None = None) -> str:
    """The C compiler that bootstrap.sh has found or unpacked, else the system's; none is a failure."""
    if written.is_file() and Path(compiler := written.read_text("utf-8").strip()).exists():
        return compiler
    found = shutil.which("cc", path=path) or shutil.which("gcc", path=path)
    assert found is not None, NO_COMPILER
    return found
