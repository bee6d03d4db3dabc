"""The command line: ``srzoo COMMAND``. Each command lies in a module of its own."""

from srzoo.cli.program import main

__all__ = ["main"]
