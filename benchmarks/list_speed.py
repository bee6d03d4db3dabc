"""How long `srzoo list` takes where many third-party distributions are installed.

Writes distributions with one decoder each into a temporary folder, as an installer would, and lists them in fresh
processes, start of Python included. Processor time tells what a machine without other work would take.

    python benchmarks/list_speed.py [DISTRIBUTIONS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 9

MODULE = '''"""A decoder."""

from srzoo.contracts import Decoder


class Part(Decoder):
    """Number {number} of many."""
'''


def install(site: Path, number: int) -> None:
    """Write one distribution: its metadata, and a module that `srzoo list` reads a summary from."""
    info = site / f"srzoo_many_{number}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: srzoo-many-{number}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[srzoo.decoders]\nmany-{number} = srzoo_many_{number}:Part\n")
    (site / f"srzoo_many_{number}.py").write_text(MODULE.format(number=number))


def seconds(site: Path) -> tuple[float, float, int]:
    """Wall and processor time of one `srzoo list`, and how many third-party parts it lists."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    environment.pop("SRZOO_PLUGINS", None)
    start, before = time.perf_counter(), os.times()
    done = subprocess.run(
        [sys.executable, "-m", "srzoo", "list"], capture_output=True, text=True, check=True, env=environment
    )
    wall, after = time.perf_counter() - start, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, processor, done.stdout.count("srzoo-many-")


def main() -> None:
    """Measure with none, and with as many as asked for."""
    for count in (0, int(sys.argv[1]) if len(sys.argv) > 1 else 200):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(count):
                install(Path(folder), number)
            seconds(Path(folder))  # compiled modules and the file cache
            measured = [seconds(Path(folder)) for _ in range(RUNS)]
        walls, processors, counts = zip(*measured, strict=True)
        print(
            f"{counts[0]} third-party parts, median of {RUNS} runs: {statistics.median(walls):.2f} s "
            f"({min(walls):.2f} to {max(walls):.2f}), processor {statistics.median(processors):.2f} s "
            f"({min(processors):.2f} to {max(processors):.2f})"
        )


if __name__ == "__main__":
    main()
