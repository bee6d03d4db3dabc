"""``python -m srzoo`` is ``srzoo``."""

from srzoo.cli import main

main(prog_name="srzoo")
