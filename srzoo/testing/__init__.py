"""The conformance kit: what every part of a kind promises, as checks that anyone can run.

In the tests of a plugin, six lines::

    \"\"\"The decoder keeps what decoders promise.\"\"\"

    from srzoo.testing import conformance

    test_conformance = conformance("decoder", "srzoo-mine:mine")

Each check is a pytest test of its own, so that pytest counts what ran. On the command line: ``srzoo check srzoo-mine``.
"""

from srzoo.testing.checks import CHECKS, Check, Outcome
from srzoo.testing.kit import Report, check_part, conformance
from srzoo.testing.subject import CheckFailed

__all__ = ["CHECKS", "Check", "CheckFailed", "Outcome", "Report", "check_part", "conformance"]
