"""Prints the fastest Python of this machine: what to measure with.

Linux distributions and the official container images build Python with profile-guided optimisation; one built
without, as version managers do unless told, takes half as long again for the same code.
https://docs.python.org/3/using/configure.html#performance-options
"""

from __future__ import annotations

import subprocess
import sys

CANDIDATES = (
    "python3",
    *(
        f"{folder}python3.{minor}"
        for folder in ("", "/usr/bin/", "/usr/local/bin/")
        for minor in range(11, 15)
    ),
)
LOOP = """
import sys, time
if sys.version_info < (3, 11):
    sys.exit(1)
import ensurepip
class Frame:
    __slots__ = ("number", "text")
    def take(self, number):
        self.number, self.text = number, "%d" % number
        return self.text.startswith("1")
def loop():
    began, frame, seen = time.process_time(), Frame(), {}
    for number in range(100_000):
        if frame.take(number):
            seen[number & 255] = frame.text
    return time.process_time() - began
print(sys.version.split()[0], sys.executable, min(loop() for _ in range(9)))
"""


def found() -> list[tuple[float, str, str]]:
    """Seconds for the loop, version and path: the fastest build of each version, the fastest first."""
    every: dict[str, tuple[float, str, str]] = {}
    for candidate in CANDIDATES:
        try:
            done = subprocess.run([candidate, "-c", LOOP], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            version, path, seconds = done.stdout.split()
            every[version] = min((float(seconds), version, path), every.get(version, (float("inf"), "", "")))
    return sorted(every.values())


if __name__ == "__main__":
    pythons = found()
    if not pythons:
        sys.exit("Callbridge needs Python 3.11 or newer; none was found.")
    print(pythons[0][2])
    for seconds, version, path in pythons:
        print(f"{version} {path}: {seconds / pythons[0][0]:.2f}", file=sys.stderr)
