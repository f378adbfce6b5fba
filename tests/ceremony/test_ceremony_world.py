"""The test kit's worlds: real ledgers on real tokens, several at once, and PKCS#11 never in the calling process."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations
from pathlib import Path

from appliance import configuration
from appliance.ledger.actions import DomainSpec, FormatSpec
from appliance.numbers.formats import DECIMAL
from keyceremony.plans import setup_file
from tests.world import KEYS, PROJECT, SECTORS, SERVICE_KEYS, build_world

SMALL = tuple(spec for spec in setup_file.default_specs() if spec.name in {"resident", "spin", "sspin.B"})
SECTOR_Z = DomainSpec(
    name="sspin.Z", title="十進", parent="spin", format=FormatSpec(alphabet=DECIMAL, length=18, check="none")
)


def test_a_whole_world(tmp_path: Path) -> None:
    world = build_world(tmp_path / "world")
    state = world.state()
    assert {str(generation) for generation in state.keys} == {f"{domain}.1" for domain in (*KEYS, *SERVICE_KEYS)}
    assert set(state.current) == {*KEYS, *SERVICE_KEYS}
    assert set(state.policy.roles["hub"].pairs) == set(permutations(SECTORS, 2))
    assert ("resident", "sspin.C") in state.policy.roles["numbering"].pairs
    assert state.policy.roles["portal"].pairs == state.policy.roles["oversight"].pairs == ()
    config = configuration.load(world.config)
    assert config.ledger.trust_anchor == world.anchor == state.anchor
    assert configuration.read_pin(config.token.pin_file) == world.pin
    assert {socket.role: socket.path for socket in config.sockets}["hub"] == world.hub_socket
    assert all(path.is_dir() for path in (config.state.directory, config.audit.directory, world.hub_socket.parent))
    state = world.ceremony(["generate sspin.C", "activate sspin.C.2"])
    assert str(state.current["sspin.C"]) == "sspin.C.2"
    assert state.sequence == 3


def test_domains_keys_and_folders_can_be_chosen(tmp_path: Path) -> None:
    first = build_world(tmp_path / "first", domains=(*SMALL, SECTOR_Z), keys=("spin", "sspin.Z"), audit=False)
    second = build_world(tmp_path / "second", keys=())
    assert set(first.state().policy.roles["hub"].pairs) == {("sspin.B", "sspin.Z"), ("sspin.Z", "sspin.B")}
    assert [str(generation) for generation in first.state().keys] == ["spin.1", "sspin.Z.1", "log.1", "tag.1"]
    assert not first.audit_directory.exists()
    assert (second.state().sequence, second.state().keys) == (1, {})
    assert first.anchor != second.anchor


def test_the_calling_process_never_loads_the_module(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.world import build_world; "
        "build_world(Path(sys.argv[1]), keys=('spin',)); "
        "print('softhsm' in Path('/proc/self/maps').read_text())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "world")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "False\n"
