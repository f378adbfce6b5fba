"""The faulty token itself: it hands on what it is not told to spoil, does what it is told, and no mistake goes unseen.

Every process here uses python-pkcs11 through the shim, on a real SoftHSM2 token.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemonkit import copy_world
from tests.shimkit import FLAGS, LIBRARIES, NO_COMPILER, SOURCES, Shim, find_compiler, parse, shimmed
from tests.world import PIN, TOKEN_LABEL, World, build_world

OPENED = f"""
import sys, pkcs11
from pkcs11 import Attribute, Mechanism, ObjectClass
library = pkcs11.lib(sys.argv[1])
token = library.get_token(token_label={TOKEN_LABEL!r})
session = token.open(user_pin={PIN!r})
def key(name, kind=ObjectClass.SECRET_KEY):
    (found,) = session.get_objects({{Attribute.LABEL: name, Attribute.CLASS: kind}})
    return found
def aes(name, pieces=None):
    return b''.join(key(name).encrypt(pieces or bytes(16), mechanism=Mechanism.AES_ECB)).hex() if pieces else (
        key(name).encrypt(bytes(16), mechanism=Mechanism.AES_ECB).hex())
PIECES = [bytes(16)] * 3
"""
NO_FUNCTIONS = """
#include "cryptoki.h"
#include <string.h>
static CK_RV initialize(CK_C_INITIALIZE_ARGS *given)
{
    return given != 0 && given->flags == CKF_OS_LOCKING_OK && strcmp(given->pReserved, "configdir='here'") == 0 ? 0 : 7;
}
CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    static CK_FUNCTION_LIST functions = {{3, 1}, {initialize}};
    *list = &functions;
    return 0;
}
"""
BARE = """
import ctypes, sys
class List(ctypes.Structure):
    _fields_ = [("version", ctypes.c_ubyte * 2), ("functions", ctypes.c_void_p * 68)]
listed = ctypes.POINTER(List)()
assert ctypes.CDLL(sys.argv[1]).C_GetFunctionList(ctypes.byref(listed)) == 0
codes = []
for place in range(68):
    function = ctypes.CFUNCTYPE(ctypes.c_ulong, *[ctypes.c_ulong] * 8)(listed.contents.functions[place])
    codes.append(function(*[0] * 8) if place != 3 else None)
print(list(listed.contents.version), codes[0], set(codes[1:]))
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("shim") / "w", keys=("spin", "sspin.A"))


@pytest.fixture(scope="module")
def world(template: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return copy_world(template, tmp_path_factory.mktemp("shimmed") / "w")


@pytest.fixture(scope="module")
def used(world: World) -> Shim:
    return shimmed(world)


@pytest.fixture
def shim(used: Shim) -> Shim:
    used.clear()
    return used


def run(world: World, shim: Shim, code: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OPENED + code, str(shim.module)]
    return subprocess.run(command, env=world.env, capture_output=True, text=True, timeout=seconds)


def said(world: World, shim: Shim, code: str) -> list[str]:
    done = run(world, shim, code)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def right(world: World, used: Shim) -> dict[str, str]:
    """What SoftHSM2 itself answers, without the shim."""
    command = [sys.executable, "-c", OPENED + "print(aes('spin.1'), aes('sspin.A.1'))", str(world.module)]
    done = subprocess.run(command, env=world.env, capture_output=True, text=True, timeout=60, check=True)
    spin, sector = done.stdout.split()
    assert spin != sector
    return {"spin.1": spin, "sspin.A.1": sector}


def test_it_hands_on_what_it_is_not_told_to_spoil(world: World, shim: Shim, right: dict[str, str]) -> None:
    told = said(world, shim, "print(aes('spin.1'), aes('spin.1', PIECES), library.cryptoki_version)")
    assert told == [f"{right['spin.1']} {right['spin.1'] * 3} (2, 40)"]
    shim.control.unlink()
    assert said(world, shim, "print(aes('spin.1'))") == [right["spin.1"]], "no control file, no faults"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("C_GetFunctionList fail CKR_HOST_MEMORY", "HostMemory"),
        ("C_Initialize fail CKR_GENERAL_ERROR", "GeneralError"),
        ("C_GetSlotList fail CKR_DEVICE_REMOVED", "DeviceRemoved"),
        ("C_Login fail CKR_PIN_LOCKED", "PinLocked"),
        ("C_FindObjectsInit fail CKR_SESSION_CLOSED", "SessionClosed"),
        ("C_FindObjects short", "not enough values to unpack"),
        ("C_EncryptInit fail 0x80000123 key=spin.1", "0x80000123"),
        ("* fail CKR_DEVICE_ERROR", "DeviceError"),
        ("C_Encrypt drop", "SessionHandleInvalid"),
    ],
)
def test_any_function_answers_any_code(world: World, shim: Shim, command: str, error: str) -> None:
    shim.do(command)
    done = run(world, shim, "aes('spin.1')")
    assert done.returncode == 1
    assert error in done.stderr.splitlines()[-1]
    assert shim.fired()[command] >= 1


def test_answers_are_spoilt_as_told(world: World, shim: Shim, right: dict[str, str]) -> None:
    whole = right["spin.1"]
    first, last = f"{int(whole[:2], 16) ^ 1:02x}", f"{int(whole[-2:], 16) ^ 1:02x}"
    for command, expected in (
        ("C_Encrypt alter", first + whole[2:]),
        ("C_Encrypt alter -1", whole[:-2] + last),
        ("C_Encrypt short", whole[:-2]),
        ("C_Encrypt short 16", ""),
        ("C_Encrypt zero", "00" * 16),
    ):
        shim.do(f"{command} times=1")
        assert said(world, shim, "print(aes('spin.1')); print(aes('spin.1'))") == [expected, whole], command
        assert shim.fired() == {f"{command} times=1": 1}, "asking for the length alone does not count"
    shim.do("C_Encrypt alter 16")
    assert said(world, shim, "print(aes('spin.1'))") == [whole], "the answer has no such byte"
    assert shim.met() == {"C_Encrypt alter 16": 0}


def test_another_key_is_taken_at_once_or_in_mid_operation(world: World, shim: Shim, right: dict[str, str]) -> None:
    spin, sector = right["spin.1"], right["sspin.A.1"]
    shim.do("C_EncryptInit swap sspin.A.1 key=spin.1 times=1")
    assert said(world, shim, "print(aes('spin.1')); print(aes('spin.1'))") == [sector, spin]
    shim.do("C_EncryptUpdate swap sspin.A.1 skip=1 times=1")
    assert said(world, shim, "print(aes('spin.1', PIECES))") == [spin + sector + spin]


def test_key_chooses_whose_calls_are_met(world: World, shim: Shim, right: dict[str, str]) -> None:
    shim.do("C_Encrypt zero key=sspin.A.1")
    assert said(world, shim, "print(aes('spin.1')); print(aes('sspin.A.1'))") == [right["spin.1"], "00" * 16]
    assert shim.met() == {"C_Encrypt zero key=sspin.A.1": 1}


def test_calls_are_counted_over_all_processes(world: World, shim: Shim, right: dict[str, str]) -> None:
    command = "C_Encrypt zero skip=1 times=2"
    shim.do(command)
    told = [said(world, shim, "print(aes('spin.1')); print(aes('spin.1'))") for _ in range(2)]
    assert told == [[right["spin.1"], "00" * 16], ["00" * 16, right["spin.1"]]]
    assert (shim.met(), shim.fired()) == ({command: 4}, {command: 2})


def test_a_process_under_way_heeds_new_commands(world: World, shim: Shim, right: dict[str, str]) -> None:
    code = "\nfor line in sys.stdin:\n    print(aes('spin.1'), flush=True)\n"
    command = [sys.executable, "-c", OPENED + code, str(shim.module)]
    with subprocess.Popen(command, env=world.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        for spoil, expected in ((False, right["spin.1"]), (True, "00" * 16), (False, right["spin.1"])):
            shim.do(*(["C_Encrypt zero"] if spoil else []))
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline().strip() == expected
        process.stdin.close()


def test_crash_delay_and_hang(world: World, shim: Shim) -> None:
    shim.do("C_Encrypt crash")
    assert run(world, shim, "aes('spin.1')").returncode == -signal.SIGSEGV
    shim.do("C_EncryptInit delay 300")
    code = "import time; began = time.monotonic(); aes('spin.1'); print(time.monotonic() - began >= 0.3)"
    assert said(world, shim, code) == ["True"]
    shim.do("C_EncryptInit hang")
    with pytest.raises(subprocess.TimeoutExpired):
        run(world, shim, "aes('spin.1')", seconds=3)
    assert shim.fired() == {"C_EncryptInit hang": 1}


def test_a_module_with_null_pointers_and_its_own_way_to_begin(tmp_path: Path) -> None:
    source, module = tmp_path / "vendor.c", tmp_path / "vendor.so"
    source.write_text(NO_FUNCTIONS)
    make = [find_compiler(), *FLAGS[:-2], FLAGS[-1], f"-I{SOURCES}", "-o", str(module), str(source), *LIBRARIES]
    subprocess.run(make, check=True, timeout=120)
    for init, first in (("configdir='here'", 0), ("something else", 7), (None, 7)):
        shim = Shim(tmp_path / "shim", real=module, init=init)
        command = [sys.executable, "-c", BARE, str(shim.module)]
        done = subprocess.run(command, env=shim.variables, capture_output=True, text=True, timeout=60)
        assert done.stdout.split("\n")[0] in (f"[3, 1] {first} {{None, 84}}", f"[3, 1] {first} {{84, None}}"), done


@pytest.mark.parametrize(
    "mistake",
    [
        "C_Encrypt",
        "C_Encrypt fail",
        "C_Encrypt fail CKR_NOTHING",
        "C_Encrypt hang 5",
        "C_Encript hang",
        "C_Encrypt wait 5",
        "C_Encrypt hang times=once",
        "C_Encrypt hang after=2",
    ],
)
def test_a_mistaken_command_is_refused(mistake: str) -> None:
    with pytest.raises((AssertionError, KeyError, ValueError)):
        parse(mistake)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("C_Nothing fail 5", "shim: C_Nothing: no function of PKCS#11"),
        ("C_Encrypt spoil", "shim: spoil: no action"),
        ("C_Encrypt delay soon", "shim: soon: no number"),
        ("C_Login hang key=spin.1", "shim: C_Login is about no key"),
        ("C_Login swap spin.1", "shim: swap: not at C_Login"),
        ("C_EncryptInit swap nobody", "shim: no key nobody to swap with"),
    ],
)
def test_the_shim_itself_gives_up_on_what_it_cannot_do(world: World, shim: Shim, line: str, words: str) -> None:
    shim.control.write_text(line + "\n")
    done = run(world, shim, "aes('spin.1')")
    assert done.returncode == -signal.SIGABRT
    assert words in done.stderr


def test_a_missing_compiler_is_told_with_the_packages(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as told:
        find_compiler(tmp_path / "nothing", path=str(tmp_path))
    assert str(told.value) == NO_COMPILER
    assert "gcc and libc6-dev" in NO_COMPILER
