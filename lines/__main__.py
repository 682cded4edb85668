"""`python -m lines [FOLDER]`: speaks what is missing, into files that a server reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lines.built_in import FOLDER, NAMES, english, missing, path_of


def make(folder: Path) -> int:
    """How many were spoken. Files of former words go."""
    wanted = missing(folder)
    if not wanted:
        return 0
    from lines.speaking import Speaker

    folder.mkdir(parents=True, exist_ok=True)
    speaker = Speaker()
    for name in wanted:
        # Others may be making the same file, or reading it, at this moment.
        half = folder / f"{name}.{os.getpid()}"
        half.write_bytes(speaker.speak(english(name)))
        half.replace(path_of(name, folder))
    kept = {path_of(name, folder) for name in NAMES}
    for path in folder.glob("*.ulaw"):
        if path not in kept:
            path.unlink(missing_ok=True)
    return len(wanted)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    try:
        made = make(folder)
    except ImportError as error:
        sys.exit(f"{error}: `make lines` installs the voice.")
    if made:
        print(f"Spoke {made} lines into {folder}.")


if __name__ == "__main__":
    main()
