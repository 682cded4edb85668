"""Recorded audio on this machine: a folder a call, a file a media stream.

A file is stereo mu-law as it is heard, two bytes a sample, with nothing around it: what a crash leaves is
whole.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

BYTES_PER_SECOND = 16_000


class RecordingFile:
    """Open to be written to. Closed with the last reference, if not before."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "ab", buffering=0, opener=_private)  # noqa: SIM115 (for as long as a call lasts)

    def append(self, audio: bytes) -> None:
        """All of it or, as far as can be helped, nothing. Raises OSError."""
        written = self._file.write(audio)
        if written < len(audio):
            os.truncate(self._file.fileno(), os.fstat(self._file.fileno()).st_size - written)
            raise OSError(28, os.strerror(28))

    def close(self) -> None:
        self._file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class RecordingFiles:
    """Every method waits for the disk: not for the event loop."""

    def __init__(self, folder: Path, *, machine: str = "") -> None:
        self.machine = machine or socket.gethostname()
        """By which an operator finds the files."""
        self._folder = folder

    def path(self, call_id: str, part: int) -> Path:
        return self._folder / call_id / f"{part}.ulaw"

    def open(self, call_id: str, part: int) -> RecordingFile:
        """To go on with it, or to begin. Raises OSError."""
        path = self.path(call_id, part)
        try:
            return RecordingFile(path)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            return RecordingFile(path)

    def size(self, call_id: str, part: int) -> int | None:
        """In bytes, of whole samples; None: it is not on this machine."""
        try:
            size = self.path(call_id, part).stat().st_size
        except FileNotFoundError:
            return None
        return size - size % 2

    def read(self, call_id: str, part: int, start: int, size: int) -> bytes:
        """Fewer bytes when it was erased meanwhile."""
        try:
            with self.path(call_id, part).open("rb") as file:
                file.seek(start)
                return file.read(size)
        except FileNotFoundError:
            return b""

    def erase(self, call_id: str) -> bool:
        """The whole call. False: nothing of it is on this machine."""
        folder = self._folder / call_id
        if not folder.is_dir():
            return False
        shutil.rmtree(folder)
        return True
