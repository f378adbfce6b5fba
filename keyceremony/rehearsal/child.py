"""``python -m keyceremony.rehearsal.child FOLDER MODULE [check]``: the process that carries a rehearsal out.

A PKCS#11 module is loaded once per process and reads then which tokens there are. So whoever starts a rehearsal starts
this, with an environment that knows the throw-away tokens only; and this process makes sure of it before anything else.
With ``check`` it only looks whether the module is SoftHSM's, before there are any tokens.
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.errors import KagimoriError
from appliance.token import slots
from keyceremony.rehearsal.cast import StandIn, stand_ins
from keyceremony.rehearsal.errors import NotThrowAway
from keyceremony.rehearsal.events import CHECK, Began, Event, Failed, Finished, encode
from keyceremony.rehearsal.folder import Folder
from keyceremony.rehearsal.replay import Player

_MAKER = "SoftHSM"


@dataclass
class _Teller:
    """Tells on standard output, and remembers which entry was last begun."""

    entry: int = field(default=0)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Began):
            self.entry = event.entry
        print(encode(event), flush=True)


def carry_out(folder: Folder, module: Path, tell: _Teller) -> None:
    """Rehearse every original plan of the folder.

    Raises:
        NotThrowAway: real tokens might be in reach.
        KagimoriError: (a subclass) whatever the real commands would raise.
    """
    require_configuration(folder)
    plans = [plan for _, plan in folder.plans()]
    cast = {one.entry: one for one in stand_ins(plans)}
    player = Player(folder, module, _serials(module, list(cast.values())), cast, tell)
    for plan in plans:
        player.play(plan)
    tell(Finished(player.anchor))


def require_configuration(folder: Folder) -> None:
    """SoftHSM will see the throw-away tokens and no others.

    Raises:
        NotThrowAway: its configuration is not the rehearsal's own.
    """
    given = os.environ.get("SOFTHSM2_CONF", "")
    text = folder.configuration.read_text(encoding="utf-8") if folder.configuration.is_file() else ""
    if given != str(folder.configuration) or text != folder.softhsm_configuration:
        raise NotThrowAway(
            f"SOFTHSM2_CONF is {given or 'not set'}: not the one that names the tokens of this rehearsal alone",
            "start it with keyceremony rehearse",
        )


def _serials(module: Path, cast: list[StandIn]) -> dict[str, str]:
    """The serial numbers of the throw-away tokens by label.

    Raises:
        NotThrowAway: the module is not SoftHSM's.
        TokenNotFound: one of them is not there.
    """
    library = load_softhsm(module)
    return {one.label: slots.name_of(slots.find(library, one.label, None))[1] for one in cast}


def load_softhsm(module: Path) -> Any:
    """The module, loaded, if it is SoftHSM's.

    Raises:
        NotThrowAway: it is another maker's.
        TokenModuleError: it is no module.
    """
    library = slots.load(module)
    if library.manufacturer_id.strip("\0 ") != _MAKER:
        raise NotThrowAway(
            f"{module}: is made by {library.manufacturer_id.strip() or 'nobody named'}; a rehearsal uses {_MAKER} only",
            "give --module PATH of libsofthsm2.so (package softhsm2); no token was touched",
        )
    return library


def main(arguments: list[str]) -> int:
    """Carry out and tell; of a defect only its kind and place."""
    tell, folder, module = _Teller(), Folder(Path(arguments[0])), Path(arguments[1])
    try:
        if arguments[2:] == [CHECK]:
            require_configuration(folder)
            load_softhsm(module)
            tell(Finished(""))
        else:
            carry_out(folder, module, tell)
    except KagimoriError as error:
        tell(Failed(tell.entry, type(error).__name__, error.message, error.hint))
        return 1
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"a defect in Kagimori: {type(error).__name__} in {place.name}, line {place.lineno}"
        tell(Failed(tell.entry, type(error).__name__, where, "please report it with the command you typed"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
