"""The configuration file: strict, errors that name file and key, paths relative to it, a private PIN."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softhsmkit import PROJECT

from appliance.configuration import (
    CloneSection,
    Configuration,
    EngineSection,
    MetricsSection,
    PinFileRefused,
    SocketSection,
    load,
    read_pin,
)
from appliance.tomlfile import ConfigurationError

ANCHOR = "9f" * 32
WHOLE = f"""
[token]
module = "/usr/lib/softhsm/libsofthsm2.so"
label = "kagimori-appliance"
pin_file = "secret/pin"

[ledger]
directory = "ledger"
trust_anchor = "{ANCHOR}"

[state]
directory = "state"

[audit]
directory = "/var/audit"

[engine]
processes = 2
deadline_seconds = 1.5

[[clone]]
label = "kagimori-clone"
pin_credential = "clone-pin"

[[clone]]
label = "kagimori-clone-2"
module = "lib/other.so"
pin_file = "secret/clone-2.pin"
processes = 4

[[socket]]
role = "hub"
path = "run/hub.sock"
group = "hub"
uids = [0, 991]

[[socket]]
role = "oversight"
path = "run/oversight.sock"

[metrics]
socket = "run/metrics.sock"
group = "watch"
uids = [992]
"""
LEAST = WHOLE[: WHOLE.index("[engine]")]


def write(folder: Path, text: str) -> Path:
    path = folder / "kagimori.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o640)
    return path


def test_whole_file(tmp_path: Path) -> None:
    found = load(write(tmp_path, WHOLE))
    assert found.token.module == Path("/usr/lib/softhsm/libsofthsm2.so")
    assert found.token.label == "kagimori-appliance"
    assert found.token.pin_file == tmp_path / "secret" / "pin"
    assert found.ledger.directory == tmp_path / "ledger"
    assert found.ledger.trust_anchor == ANCHOR
    assert found.state.directory == tmp_path / "state"
    assert found.audit.directory == Path("/var/audit")
    assert found.engine == EngineSection(processes=2, deadline_seconds=1.5)
    assert found.clones == (
        CloneSection(label="kagimori-clone", pin_credential="clone-pin"),
        CloneSection(
            label="kagimori-clone-2",
            module=tmp_path / "lib" / "other.so",
            pin_file=tmp_path / "secret" / "clone-2.pin",
            processes=4,
        ),
    )
    assert found.sockets == (
        SocketSection(role="hub", path=tmp_path / "run" / "hub.sock", group="hub", uids=(0, 991)),
        SocketSection(role="oversight", path=tmp_path / "run" / "oversight.sock"),
    )
    assert found.metrics == MetricsSection(path=tmp_path / "run" / "metrics.sock", group="watch", uids=(992,))


def test_least_file(tmp_path: Path) -> None:
    found = load(write(tmp_path, LEAST))
    assert (found.engine.processes, found.engine.deadline_seconds, found.sockets) == (1, 5.0, ())
    assert found.metrics is None
    assert [(token.number, token.label, token.processes) for token in found.tokens] == [(0, "kagimori-appliance", 1)]


def test_what_a_clone_leaves_out_is_as_for_the_token(tmp_path: Path) -> None:
    found = load(write(tmp_path, WHOLE))
    softhsm = Path("/usr/lib/softhsm/libsofthsm2.so")
    assert [(token.number, token.label, token.module, token.processes) for token in found.tokens] == [
        (0, "kagimori-appliance", softhsm, 2),
        (1, "kagimori-clone", softhsm, 2),
        (2, "kagimori-clone-2", tmp_path / "lib" / "other.so", 4),
    ]
    assert [token.login for token in found.tokens] == [found.token, *found.clones]


def test_more_clones_than_anybody_has(tmp_path: Path) -> None:
    tables = "".join(f'[[clone]]\nlabel = "clone-{number}"\npin_file = "pin"\n' for number in range(17))
    with pytest.raises(ConfigurationError, match=r"\[clone\] Expected `array` of length <= 16"):
        load(write(tmp_path, LEAST + tables))


def test_relative_name_of_the_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, LEAST)
    monkeypatch.chdir(tmp_path)
    assert load(Path("kagimori.toml")).state.directory == tmp_path / "state"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[engine]", "[engines]"), "Object contains unknown field `engines`"),
        (("processes = 2", "process = 2"), r"\[engine\] Object contains unknown field `process`"),
        (("processes = 2", "processes = 0"), r"\[engine.processes\] Expected `int` >= 1"),
        (("processes = 2", "processes = true"), r"\[engine.processes\] Expected `int`, got `bool`"),
        (("deadline_seconds = 1.5", "deadline_seconds = nan"), r"\[engine.deadline_seconds\] Expected `float`"),
        (('label = "kagimori-appliance"', ""), r"\[token\] Object missing required field `label`"),
        (('label = "kagimori-appliance"', f'label = "{"x" * 33}"'), r"\[token.label\] Expected `str` of length <= 32"),
        (('pin_file = "secret/pin"', "pin_file = 3"), r"\[token.pin_file\] Expected a path"),
        (('pin_file = "secret/pin"', 'pin_file = ""'), r"\[token.pin_file\] Expected a path"),
        (('pin_file = "secret/pin"', 'pin = "1234"'), r"\[token\] Object contains unknown field `pin`"),
        ((ANCHOR, ANCHOR[1:]), r"\[ledger.trust_anchor\] Expected `str` matching regex"),
        ((ANCHOR, ANCHOR.upper()), r"\[ledger.trust_anchor\] Expected `str` matching regex"),
        (('role = "hub"', 'role = "Hub"'), r"\[socket\[0\].role\] Expected `str` matching regex"),
        (("uids = [0, 991]", 'uids = ["root"]'), r"\[socket\[0\].uids\[0\]\] Expected `int`, got `str`"),
        (("uids = [0, 991]", "uids = [-1]"), r"\[socket\[0\].uids\[0\]\] Expected `int` >= 0"),
        (('label = "kagimori-clone"', ""), r"\[clone\[0\]\] Object missing required field `label`"),
        (
            ('pin_credential = "clone-pin"', ""),
            r"\[clone\[0\]\] Expected exactly one of `pin_file` and `pin_credential`",
        ),
        (("processes = 4", "processes = 65"), r"\[clone\[1\].processes\] Expected `int` <= 64"),
        (("processes = 4", "log = 4"), r"\[clone\[1\]\] Object contains unknown field `log`"),
        (('"kagimori-clone-2"', '"kagimori-clone"'), r"\[clone.label\] kagimori-clone is there twice"),
        (('"kagimori-clone-2"', '"kagimori-appliance"'), r"\[clone.label\] kagimori-appliance is there twice"),
        (('role = "oversight"', 'role = "hub"'), r"\[socket.role\] hub is there twice"),
        (('"run/oversight.sock"', '"run/hub.sock"'), r"\[socket.path\] .*/run/hub.sock is there twice"),
        (('"run/hub.sock"', f'"{"x" * 200}"'), r"\[socket.path\] .* has more than 107 bytes"),
        (('"run/metrics.sock"', '"run/hub.sock"'), r"\[metrics.socket\] .*/run/hub.sock is there twice"),
        (('"run/metrics.sock"', f'"{"x" * 200}"'), r"\[metrics.socket\] .* has more than 107 bytes"),
        (('socket = "run/metrics.sock"', ""), r"\[metrics\] Object missing required field `socket`"),
        (('socket = "run/metrics.sock"', 'path = "x"'), r"\[metrics\] Object contains unknown field `path`"),
        (("uids = [992]", "uids = [-1]"), r"\[metrics.uids\[0\]\] Expected `int` >= 0"),
        (("[metrics]", "[[metrics]]"), r"\[metrics\] Expected `object \| null`, got `array`"),
        (('role = "oversight"', 'role = "metrics"'), r"\[metrics\] metrics is there twice"),
        (("[token]", "[token"), "not TOML"),
        (("[state]", "[token]"), "not TOML"),
    ],
)
def test_refusals_name_file_and_key(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    assert change[0] in WHOLE
    path = write(tmp_path, WHOLE.replace(*change, 1))
    with pytest.raises(ConfigurationError, match=f"{path}: {words}") as caught:
        load(path)
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/none.toml: No such file or directory"):
        load(tmp_path / "none.toml")


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}: Is a directory"):
        load(tmp_path)


def test_file_that_anybody_may_write(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="anybody may write to it") as caught:
        load(path)
    assert caught.value.hint == f"chmod o-w {path}"


def test_huge_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="larger than 65536 bytes"):
        load(write(tmp_path, LEAST + "#" * 70_000))


def test_not_utf8(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(b"\xff\xfe[token]")
    with pytest.raises(ConfigurationError, match="not TOML"):
        load(path)


def test_page_lists_every_key_and_its_example_loads(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\[+[a-z]+\]+ [a-z_]+)`", page, re.MULTILINE))
    tables = {"socket": SocketSection, "clone": CloneSection}
    single = {"metrics": MetricsSection}
    real = {
        f"{f'[[{name}]]' if name in tables else f'[{name}]'} {key.encode_name}"
        for field in msgspec.structs.fields(Configuration)
        for name in (field.encode_name,)
        for key in msgspec.structs.fields({**tables, **single}.get(name, field.type))
    }
    assert listed == real
    example = page.split("```toml\n")[1].split("```")[0]
    tomllib.loads(example)
    assert load(write(tmp_path, example)).sockets[0].role == "hub"


def test_the_pages_examples_with_clones_load(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    whole, clone, appliance = (block.split("```")[0] for block in page.split("```toml\n")[1:])
    assert [token.processes for token in load(write(tmp_path, whole + clone)).tokens] == [2, 2]
    shared = whole[whole.index("[ledger]") : whole.index("[audit]")]
    found = load(write(tmp_path, appliance + shared))
    assert (found.token.label, found.audit.name) == ("kagimori-clone-2", "second")


def pin_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "pin"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "pin"), [(b"1234\n", "1234"), (b"1234", "1234"), ("秘密 42\n".encode(), "秘密 42")]
)
def test_pin(tmp_path: Path, content: bytes, pin: str) -> None:
    assert read_pin(pin_file(tmp_path, content)) == pin


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o610, 0o602])
def test_pin_that_others_can_reach(tmp_path: Path, mode: int) -> None:
    path = pin_file(tmp_path, b"314159\n", mode)
    with pytest.raises(PinFileRefused, match=f"PIN file {path}: group or others can read or write it") as caught:
        read_pin(path)
    assert caught.value.hint == f"chmod 600 {path}"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"314159\n\n", b"314159\r\n", b"314159\nmore", b"\xff314159", b"3" * 256, b"31\x0041"]
)
def test_pin_file_that_holds_not_one_pin(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(PinFileRefused, match="must hold the PIN on one line and nothing else") as caught:
        read_pin(pin_file(tmp_path, content))
    assert "314159" not in f"{caught.value!r}{caught.value}{caught.value.__cause__}"
    assert caught.value.__suppress_context__


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60))
def test_any_printable_pin(tmp_path_factory: pytest.TempPathFactory, pin: str) -> None:
    assert read_pin(pin_file(tmp_path_factory.mktemp("pin"), pin.encode() + b"\n")) == pin


def test_missing_pin_file(tmp_path: Path) -> None:
    with pytest.raises(PinFileRefused, match=f"PIN file {tmp_path}/pin: No such file or directory"):
        read_pin(tmp_path / "pin")


def test_pin_file_that_is_a_pipe_does_not_hang(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pin", 0o600)
    with pytest.raises(PinFileRefused, match="not a regular file"):
        read_pin(tmp_path / "pin")


def test_pin_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pin_file(tmp_path, b"314159\n")
    mine = path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: mine + 1)
    if mine == 0:
        assert read_pin(path) == "314159"  # root's is everybody's: the one who could read it anyway
    else:
        with pytest.raises(PinFileRefused, match="belongs to another user"):
            read_pin(path)
