"""``srzoo check``: whether parts keep what their kind promises."""

from __future__ import annotations

from dataclasses import asdict

import click

from srzoo.cli.options import Amount
from srzoo.cli.output import json_option, print_json, print_table, warn
from srzoo.cli.progress import progress_bar
from srzoo.errors import UsageError
from srzoo.registry import OWN, REGISTRY, Distribution

Target = tuple[str, str]
"""Kind, and name as in a configuration."""


@click.command()
@click.argument("what", metavar="[DIST | KIND", required=False)
@click.argument("name", metavar="NAME]", required=False)
@click.option("--expect", multiple=True, metavar="CHECK=REASON",
              help="A check that is to fail, and why; repeatable. It is an error if it passes.")  # fmt: skip
@click.option("--timeout", type=Amount(0, min_open=True), default=600.0, show_default=True,
              metavar="SECONDS", help="How long the checks of one part may take.")  # fmt: skip
@json_option
def check(what: str | None, name: str | None, expect: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Put parts through the conformance kit.

    DIST is a distribution that offers parts, such as srzoo-wavelet; KIND and NAME are one part, as in `srzoo show`.
    Without either, every part of every third party is checked.

    Each part is checked in a process of its own, so that one which ends Python or never comes back is told from the
    others. The exit status is 1 if a check failed. A plugin's own tests run the same kit: see srzoo.testing.

    \b
    Examples:
      srzoo check
      srzoo check srzoo-wavelet
      srzoo check encoder timm/resnet18 --json
      srzoo check decoder mine --expect exports='sorts by value'
    """
    expected = _expected(expect)
    if expected and name is None:
        raise UsageError("--expect is for one part: write srzoo check KIND NAME --expect CHECK=REASON")
    broken, targets = _targets(what, name)
    if not targets and not broken and not as_json:
        click.echo("no third-party distribution offers parts: try srzoo check srzoo")
    from srzoo.testing.process import check_apart

    reports = []
    with progress_bar() as tell:
        for done, (kind, part) in enumerate(targets):
            tell(done, len(targets), f"{kind} {part}")
            reports.append(check_apart(kind, part, expected=expected, seconds=timeout))
    failed = sum(len(report.failed) for report in reports)
    if as_json:
        print_json(
            {
                "parts": [
                    {"kind": kind, "name": part, "checks": [asdict(each) for each in report.outcomes]}
                    for (kind, part), report in zip(targets, reports, strict=True)
                ],
                "broken": broken,
                "failed": failed,
            }
        )
    elif reports:
        from srzoo.testing.kit import count

        outcomes = [each for report in reports for each in report.outcomes]
        rows = [
            [kind, part, each.check, each.state, each.reason or None]
            for (kind, part), report in zip(targets, reports, strict=True)
            for each in report.outcomes
        ]
        print_table(("kind", "part", "check", "state", "reason"), rows)
        click.echo(f"\n{len(targets)} part{'' if len(targets) == 1 else 's'}, {count(outcomes)}")
    for problem in broken:
        warn(problem)
    if failed or broken:
        click.get_current_context().exit(1)


def _expected(assignments: tuple[str, ...]) -> dict[str, str]:
    """Read CHECK=REASON."""
    for text in assignments:
        if not all(map(str.strip, text.partition("="))):
            raise UsageError(f"--expect {text}: write CHECK=REASON, such as exports='sorts by value'")
    return {name.strip(): reason for name, _, reason in (text.partition("=") for text in assignments)}


def _targets(what: str | None, name: str | None) -> tuple[list[str], list[Target]]:
    """Distributions that cannot be used at all, each in a sentence, and the parts to check."""
    if what is not None and name is not None:
        return [], [(REGISTRY.resolve(what, name).ref.kind.name, name)]
    chosen = [REGISTRY.distribution(what)] if what else _third_parties()
    broken = [f"{found.name} {found.version}: {found.problem}" for found in chosen if found.problem]
    return broken, [(ref.kind.name, ref.qualified) for found in chosen for ref in found.parts]


def _third_parties() -> list[Distribution]:
    return [found for found in REGISTRY.distributions() if found.name != OWN and not found.switched_off]
