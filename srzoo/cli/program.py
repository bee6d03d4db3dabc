"""The program as a whole: its commands, and how each of them ends.

A command is imported when it is called, so that ``srzoo --help`` stays fast; errors end every command in one way.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from srzoo.errors import SrzooError
from srzoo.messages import one_line, suggestion

COMMANDS = {
    "list": ("srzoo.cli.list:list_parts", "List the parts, presets and recipes at hand."),
    "show": ("srzoo.cli.show:show", "Explain one part, preset, recipe or model file."),
    "plugins": ("srzoo.cli.plugins:plugins", "List who offers which parts, and what is broken."),
    "check": ("srzoo.cli.check:check", "Put parts through the conformance kit."),
    "new-plugin": ("srzoo.cli.new_plugin:new_plugin", "Write a plugin to start from."),
    "build": ("srzoo.cli.build:build", "Assemble a model from parts and report what it is."),
    "train": ("srzoo.cli.train:train", "Train a model by a recipe, or go on with a run."),
    "upscale": ("srzoo.cli.upscale:upscale", "Enlarge images with a model or an upscaler."),
    "data": ("srzoo.cli.data:data", "Check data sets, and make them ready."),
    "eval": ("srzoo.cli.eval:evaluate", "Measure a model on a data set under a fixed protocol."),
    "bench": ("srzoo.cli.bench:bench", "Rank models under one protocol, quality beside cost."),
}
"""Name of each command, where it is, and its line in ``srzoo --help``."""


class Program(click.Group):
    """The group of all commands: imports the one that is called, and turns errors into one line and a status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of their table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown command with a suggestion."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}{suggestion(args[0], COMMANDS)}: see: srzoo --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run a command and leave Python with its exit status."""
        arguments, debug = _take_debug(list(sys.argv[1:] if args is None else args))
        sys.stdout, sys.stderr = (each or open(os.devnull, "w") for each in (sys.stdout, sys.stderr))  # noqa: SIM115
        _end_in_order(arguments)
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a letter that the terminal lacks is no reason to stop
        extra["standalone_mode"] = False
        try:
            result = super().main(arguments, prog_name, **extra)
            sys.stdout.flush()
            status = result if isinstance(result, int) else 0  # click hands back ctx.exit(status) as a result
        except Exception as error:
            if debug:
                traceback.print_exc()
            status = _report(error, debug)
        _let_go_of_output()
        sys.exit(status)


def _end_in_order(arguments: Sequence[str]) -> None:
    """Let SIGTERM end a command as Ctrl-C does, so that nothing half-written stays.

    Not ``train``, which has a way of its own.
    """
    at_hand = threading.current_thread() is threading.main_thread() and arguments[:1] != ["train"]
    if at_hand and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Take ``--debug`` out of the arguments, wherever it is before ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    head = [argument for argument in arguments[:end] if argument != "--debug"]
    return head + arguments[end:], len(head) < end


def _report(error: Exception, debug: bool) -> int:
    """Say on standard error what ended the command.

    Returns:
        The exit status.
    """
    if isinstance(error, click.Abort):
        return 130 if isinstance(error.__cause__, KeyboardInterrupt) else 1
    if isinstance(error, BrokenPipeError):
        return 1
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.ClickException):
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        message = error.format_message().rstrip(".")
        hint = f": see: {where} --help" if where and "--help" not in message else ""
        return _say(message + hint, error.exit_code)
    if isinstance(error, SrzooError):
        return _say(str(error), error.exit_code)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _say(f"no space left to write {error.filename or 'the output'}: free some and run the command again", 1)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return _say(f"{error.filename}: its name is too long", 1)
    return _say(one_line(error) + ("" if debug else " (run again with --debug for the traceback)"), 1)


def _say(message: str, status: int) -> int:
    click.echo("error: " + " ".join(message.split()), err=True)
    return status


def _let_go_of_output() -> None:
    """Keep Python from failing at exit where standard output no longer takes what is left for it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""
\b
Examples:
  srzoo list encoders
  srzoo show decoder shuffle
  srzoo build --help
""",
)
@click.version_option(package_name="srzoo", prog_name="srzoo")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks; may stand after any command, too.")
def main() -> None:
    """Image super-resolution from interchangeable parts.

    A model is a pre-encoder, an encoder, a latent and a decoder, joined by name. `list` and `show` tell what there
    is, `build` assembles it, `train`, `upscale`, `eval` and `bench` use it. Every command has --help with examples.
    """
