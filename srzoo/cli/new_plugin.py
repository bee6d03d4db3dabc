"""``srzoo new-plugin``: a distribution of one's own to start from."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import util
from pathlib import Path
from string import Template

import click

from srzoo.cli.options import NamedPath
from srzoo.errors import UsageError, WriteError
from srzoo.files import draft
from srzoo.registry import CONTRACT, KINDS, OWN, REGISTRY, Kind, find_kind

TEMPLATES = Path(__file__).parent / "templates"
"""What plugins are made from: ``project``, and under ``parts`` the module of each kind."""

_SUFFIX = ".template"


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", "kind_name", required=True, metavar="KIND", help=f"One of {', '.join(KINDS)}.")
@click.option("-o", "--output", type=NamedPath(path_type=Path), metavar="DIR",
              help="Folder to write; it must not exist. NAME here unless given.")  # fmt: skip
def new_plugin(name: str, kind_name: str, output: Path | None) -> None:
    """Write a plugin to start from: a whole distribution with one part that works.

    NAME is the distribution's, small letters and digits with hyphens between them; what follows `srzoo-` is the name
    of the part. It has types, tests that run the conformance kit, and settings for ruff and mypy; all of them pass as
    they are. Change the part, and see them still pass.

    \b
    Examples:
      srzoo new-plugin srzoo-mine --kind decoder
      pip install -e srzoo-mine
      srzoo check srzoo-mine
      srzoo build --decoder mine
    """
    kind = find_kind(kind_name)
    words = _words(name, kind)
    folder = output or Path(name)
    files = {_place(source, words): _text(source, words) for source in _sources(kind)}
    _write(folder, files)
    click.echo(f"wrote {len(files)} files to {folder}; the part is {words['cls']} in {words['package']}/{kind.name}.py")
    click.echo(f"\nnext:\n  pip install -e {folder}\n  srzoo show {kind.name} {words['part']}\n  srzoo check {name}")


def _words(name: str, kind: Kind) -> dict[str, str]:
    """What the templates are filled with.

    Raises:
        UsageError: The name cannot be that of a plugin.
    """
    part = name.removeprefix("srzoo-")
    package = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or not part[0].isalpha():
        raise UsageError(
            f"{name!r} cannot be a plugin's name: begin with a small letter, also behind srzoo-, and go on with small "
            "letters, digits and single hyphens, such as srzoo-mine"
        )
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or _is_installed(package):
        raise UsageError(
            f"the name {package} means something in Python already: choose another, such as srzoo-{part}-2"
        )
    if any(ref.name == part and ref.distribution == OWN for ref in REGISTRY.parts(kind.name)):
        raise UsageError(
            f"srzoo has a {kind.name} {part!r} of its own, which the bare name would always mean: choose another name"
        )
    words = "data set" if kind.name == "dataset" else kind.name.replace("_", "-")
    suffix = f"-{kind.name.replace('_', '-')}"
    return {
        "distribution": name,
        "package": package,
        "part": part,
        "cls": "".join(map(str.capitalize, f"{part.removesuffix(suffix)}{suffix}".split("-"))),
        "kind": kind.name,
        "A_kind": f"{'An' if words[0] in 'aeiou' else 'A'} {words}",
        "kinds": "data sets" if kind.name == "dataset" else kind.plural.replace("_", "-"),
        "group": kind.group,
        "contract": str(CONTRACT),
    }


def _is_installed(package: str) -> bool:
    """Whether a module of that name can be imported; any folder would do for one without a file."""
    spec = util.find_spec(package)
    return spec is not None and spec.origin is not None


def _sources(kind: Kind) -> list[Path]:
    """The files that a plugin of a kind is made from."""
    project = [path for path in sorted((TEMPLATES / "project").rglob("*")) if path.is_file()]
    return [*project, TEMPLATES / "parts" / f"{kind.name}.py{_SUFFIX}"]


def _place(source: Path, words: dict[str, str]) -> str:
    """Where in the plugin a file goes."""
    folder, *rest = source.relative_to(TEMPLATES).parts
    if folder == "parts" or rest[0] == "package":
        rest = [words["package"], rest[-1]]
    return "/".join(rest).removesuffix(_SUFFIX)


def _text(source: Path, words: dict[str, str]) -> str:
    return Template(source.read_text(encoding="utf-8")).substitute(words)


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write all files, or none.

    Raises:
        UsageError: The folder exists, or has no place to be.
        WriteError: It cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists already: choose another folder by -o DIR, or move it away")
    if not folder.parent.is_dir():
        raise UsageError(f"{folder.parent} is no folder: make it first, or choose another by -o DIR")
    try:
        with draft(folder) as temporary:
            for place, text in files.items():
                file = temporary / place
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WriteError(f"cannot write {folder}: {error.strerror or error}") from error
