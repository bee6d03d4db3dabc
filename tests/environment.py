"""Python environments with plugins in them: folders on the path, and environments of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from pathlib import Path

WAVELET = Path(__file__).parent.parent / "plugins" / "srzoo-wavelet"


def lay_down(source: Path, site: Path) -> None:
    """Put a project's modules and metadata into a folder, as an installer would."""
    facts = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    module = facts["name"].replace("-", "_")
    shutil.copytree(source / module, site / module)
    write_metadata(site, facts["name"], facts["version"], facts["entry-points"])


def write_metadata(site: Path, name: str, version: str, groups: Mapping[str, Mapping[str, str]]) -> Path:
    """Write what an installer writes of a distribution with these entry points, and return its folder."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines: list[str] = []
    for group, table in groups.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in table.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return info


class Environment:
    """A Python environment that sees the running one's packages, and has plugins of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
        self.python = next(path for path in (folder / "env").glob("*/python*") if path.stem == "python")
        paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        lines = [f"import site; site.addsitedir({path!r})" for path in dict.fromkeys(paths)]
        site = next((folder / "env").rglob("site-packages"))
        (site / "running.pth").write_text("\n".join(lines) + "\n")
        for name in ("srzoo", "pytest"):
            script = self.python.with_name(name)
            script.write_text(f"#!{self.python}\nimport runpy\nrunpy.run_module({name!r}, run_name='__main__')\n")
            script.chmod(0o755)

    def pip(self, *arguments: str | Path) -> None:
        command = [self.python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def add(self, source: Path) -> None:
        """Build a project's wheel and install it."""
        wheels = self.folder / "wheels" / source.name
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, source]
        subprocess.run(command, check=True, capture_output=True)
        (wheel,) = wheels.glob("*.whl")
        self.pip("install", "--no-index", "--no-deps", "--force-reinstall", wheel)

    def shell(self, script: str) -> str:
        """What a shell script prints that finds this environment first; pip works offline."""
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1", "PIP_QUIET": "1"}
        environment = {**os.environ, **offline, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "OMP_NUM_THREADS": "1"}
        environment["PATH"] = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        environment.pop("SRZOO_PLUGINS", None)
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=self.folder, env=environment)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run(self, *arguments: str | Path, status: int = 0) -> str:
        """What ``srzoo`` prints; on standard error where it is to fail."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("SRZOO_PLUGINS", None)
        command = [self.python, "-m", "srzoo", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=self.folder, env=environment)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if status else done.stdout
