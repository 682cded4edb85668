"""What the image weighs as it is pulled, and how long one core takes from `docker start` to /readyz."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
import urllib.request
import zlib
from pathlib import Path

MB = 1_000_000


def main(container: str, image: str, base: str) -> None:
    on_base, whole = compressed_bytes(image, skip_layers=len(layers(base)))
    print(f"image  {whole / MB:.0f} MB compressed, {on_base / MB:.0f} MB of it on top of {base}")
    if whole > 250 * MB:
        sys.exit("wrong  the image is above 250 MB")
    seconds, processor = min(seconds_to_ready(container) for _ in range(2))
    print(f"ready  {seconds:.1f} s after docker start, on one core, {processor:.1f} s of it at work")


def layers(image: str) -> list[str]:
    return json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image))


def compressed_bytes(image: str, *, skip_layers: int) -> tuple[int, int]:
    """Of the layers above the base, and of all; by gzip's level 6, as registries keep them."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:  # noqa: S607 (whichever docker is there)
        sizes: dict[str, int] = {}
        order: list[str] = []
        with tarfile.open(fileobj=saving.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None:
                    continue
                if member.name == "manifest.json":
                    order = json.load(content)[0]["Layers"]
                elif member.name.endswith(".tar") or member.name.startswith("blobs/"):
                    gzip, size = zlib.compressobj(6), 0
                    while piece := content.read(MB):
                        size += len(gzip.compress(piece))
                    sizes[member.name] = size + len(gzip.flush())
    of_layers = [sizes[name] for name in order]
    return sum(of_layers[skip_layers:]), sum(of_layers)


def seconds_to_ready(container: str) -> tuple[float, float]:
    """By the clock, and of the processor, which tells how busy the machine was with other things."""
    docker("stop", container)
    began = time.monotonic()
    docker("start", container)
    settings: list[str] = json.loads(docker("inspect", "--format", "{{json .Config.Env}}", container))
    port = next(value for name, _, value in (one.partition("=") for one in settings) if name == "PORT")
    network = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container))
    address = next(iter(network.values()))["IPAddress"]
    while time.monotonic() < began + 60:
        try:
            with urllib.request.urlopen(f"http://{address}:{port}/readyz", timeout=1):
                return time.monotonic() - began, processor_seconds(container)
        except OSError:
            time.sleep(0.01)
    sys.exit("wrong  it does not become ready")


def processor_seconds(container: str) -> float:
    """Of the processes in it, and of their children that ended. /proc/PID/stat, proc(5): fields 14 to 17."""
    pids = docker("top", container, "-eo", "pid").split()[1:]
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field) for stat in stats for field in stat[11:15]) / os.sysconf("SC_CLK_TCK")


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout  # noqa: S607 (as above)


if __name__ == "__main__":
    main(*sys.argv[1:])
