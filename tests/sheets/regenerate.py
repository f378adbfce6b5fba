"""``python -m tests.sheets.regenerate``: write every golden sheet anew, to be read in the diff and looked at."""

from __future__ import annotations

from .golden import FOLDER, SHEETS


def main() -> None:
    """Write them, and remove what is no longer one."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.html"):
        if path.stem not in SHEETS:
            path.unlink()
    for name, make in SHEETS.items():
        (FOLDER / f"{name}.html").write_bytes(make())


if __name__ == "__main__":
    main()
