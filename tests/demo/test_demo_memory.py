"""At the end of the demo, before its daemon stops: its memory and files hold no number that nobody sent or received."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.world import PROJECT

RESIDENTS, EXCHANGES = 200, 20
LOOK = """
import json, runpy, sys
from pathlib import Path
sys.path[:0] = [{demo!r}, {project!r}]
import watching
from appliance import configuration
from appliance.engine.converter import Converter
from appliance.hubkit import register
from appliance.ledger import chain, files
from appliance.numbers.domains import Generation
from appliance.token.token import Token
from tests.daemon.test_daemon_memory import found, memory

export = watching.Watching.export

def numbers(layout):
    config = configuration.load(layout.config)
    state = chain.verify(files.read(config.ledger.directory), config.ledger.trust_anchor)
    codes = "".join(one.code + "\\n" for one in register.read(layout.register)).encode()
    pin = configuration.read_pin(config.token.pin_path)
    with Token.open(config.token.module, label=config.token.label, serial=state.token_serial, pin=pin) as token:
        converter = Converter(state, lambda key: token.encrypt_blocks(key.key_id, key.check_value))
        return {{
            name: converter.convert_lines(None, Generation(name, 1), codes).text.decode().split()
            for name in ("spin", "sspin.A", "sspin.B", "sspin.D", "sspin.F")
        }}

def looking(self):
    export(self)
    layout = self._layout
    seen = b"\\0".join(memory(int((layout.home / "daemon.pid").read_text())))
    written = layout.daemon_log.read_bytes() + layout.log.read_bytes()
    for folder in (layout.home / "audit", layout.home / "state", layout.copy):
        written += b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    told = {{
        name: [len(listed), len(found(seen, listed)), len(found(written, listed))]
        for name, listed in numbers(layout).items()
    }}
    Path({out!r}).write_text(json.dumps(told))

watching.Watching.export = looking
sys.argv = ["demo", "--folder", {folder!r}, "--residents", "{residents}", "--exchanges", "{exchanges}"]
runpy.run_path({demo!r}, run_name="__main__")
"""


def test_the_demos_daemon_knows_no_number_that_nobody_sent_or_received(tmp_path: Path) -> None:
    """The demo asks for one number of sector A (a wrong one on purpose), none of D and F, and for sector B's."""
    out = tmp_path / "found.json"
    script = LOOK.format(
        demo=str(PROJECT / "softhsm-config" / "demo"),
        project=str(PROJECT),
        out=str(out),
        folder=str(tmp_path / "demo"),
        residents=RESIDENTS,
        exchanges=EXCHANGES,
    )
    environment = {**os.environ, "SOFTHSM2_CONF": str(tmp_path / "demo" / "softhsm" / "appliance" / "softhsm2.conf")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text("utf-8"))
    assert told["spin"] == told["sspin.D"] == told["sspin.F"] == [RESIDENTS, 0, 0]
    assert told["sspin.A"][1] <= 1
    assert told["sspin.B"][1] > 0, "what was received can be there, so the search works"
    assert [one[2] for one in told.values()] == [0] * 5
