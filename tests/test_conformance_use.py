"""How the conformance kit is used: its reports, expected failures, and each check as a test of its own."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from broken_data import Twins
from broken_pre_encoders import NoPart
from sound_parts import Absolute, Fade, Grays

from srzoo.errors import AssemblyError, FetchError, UsageError
from srzoo.testing import CHECKS, check_part, conformance
from srzoo.testing.watch import watched

pytest_plugins = ["pytester"]


def test_a_report_says_how_many_checks_ran() -> None:
    whole = check_part("dataset", Grays)
    assert not whole.failed and str(whole) == "dataset Grays: 10 checks ran, 10 passed"
    broken = check_part("dataset", NoPart)
    assert str(broken).splitlines()[0] == "imports: failed: is not a subclass of srzoo.dataset.Dataset"
    assert str(broken).splitlines()[-1] == "dataset NoPart: 1 check ran, 1 failed, 9 not run"


def test_one_mistake_is_told_once() -> None:
    class OutOfBeans(Fade):
        def __init__(self, scale: int) -> None:
            raise RuntimeError("out of beans")

    failed = check_part("degradation", OutOfBeans).failed
    assert len(failed) > 5 and failed[0].check == "default_constructible" and "out of beans" in failed[0].reason
    assert {each.reason for each in failed[1:]} == {"as default_constructible"}


def test_expected_failures_have_reasons_and_must_fail() -> None:
    expected = {"records": "they are twins", "about": "nobody knows"}
    states = {each.check: each for each in check_part("dataset", Twins, expected=expected).outcomes}
    assert (states["records"].state, states["records"].reason) == ("expected", "they are twins")
    assert states["about"].state == "failed"
    assert states["about"].reason == "passes, but was expected to fail (nobody knows): expect it no longer"
    with pytest.raises(UsageError, match=r"datasets have no check 'record' \(did you mean 'records'\?\)"):
        check_part("dataset", Twins, expected={"record": "they are twins"})
    with pytest.raises(UsageError, match="say why check records is expected to fail"):
        conformance("dataset", Twins, expected={"records": " "})


def test_a_part_is_tested_in_the_situations_that_it_takes() -> None:
    class ThreefoldOnly(Fade):
        def __init__(self, scale: int) -> None:
            if scale != 3:
                raise AssemblyError("shrinks by 3 only")
            super().__init__(scale)

    assert check_part("degradation", ThreefoldOnly).failed == ()
    (first, *_) = check_part("degradation", ThreefoldOnly, given=[(2,), (4,)]).failed
    assert first.check == "default_constructible" and "shrinks by 3 only" in first.reason


class NotAtHand(Absolute):
    """Needs a file that nobody has."""

    def __init__(self, scale: int) -> None:
        raise FetchError(f"weights.pth is not at hand, offline={os.environ['SRZOO_OFFLINE']}")


def test_what_lacks_weights_is_not_checked_and_fetches_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SRZOO_OFFLINE", raising=False)
    report = check_part("loss", NotAtHand)
    states = {each.check: (each.state, each.reason) for each in report.outcomes}
    passed = [name for name, (state, _) in states.items() if state == "passed"]
    assert passed == ["imports", "described", "default_constructible", "options"]
    assert states["scalars"] == states["network"] == ("not run", "weights.pth is not at hand, offline=1")
    assert not report.failed and "SRZOO_OFFLINE" not in os.environ
    assert str(report).endswith("loss NotAtHand: 4 checks ran, 4 passed, 17 not run")
    (scalars,) = (check for check in CHECKS["loss"] if check.name == "scalars")
    with pytest.raises(pytest.skip.Exception, match=r"weights\.pth is not at hand"):
        conformance("loss", NotAtHand)(scalars)


def test_options_are_those_of_the_test() -> None:
    (found,) = check_part("degradation", Fade, options={"least": 1.0}).failed
    assert found.check == "random" and "eight draws gave one result" in found.reason
    assert "imports" not in {each.check for each in check_part("degradation", Fade, options={"most": 1}).failed}


def test_each_check_is_a_test_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from srzoo.testing import conformance

        test_bicubic = conformance("degradation", "bicubic")
        test_jpeg = conformance("degradation", "srzoo:jpeg", expected={"margin": "its blocks"})
        test_nothing = conformance("degradation", "nothing", expected={"random": "it is missing"})
        """
    )
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(passed=25, failed=13, xfailed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*its blocks*", "*there is no degradation 'nothing'*"])


def test_what_is_watched_is_put_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = tempfile.gettempdir(), sys.stdout
    with watched() as seen:
        print("to standard output")
        os.write(2, b"past Python")
        tempfile.mkdtemp()
        with pytest.raises(OSError, match="no network while a part is checked"):
            socket.create_connection(("127.0.0.1", 9))
        Path(os.devnull).write_text("nothing")
    assert (tempfile.gettempdir(), sys.stdout) == before
    assert seen.chance == [] and len(seen.network) == 1 and seen.files[0].startswith("os.mkdir")
    assert seen.prints == ["past Python"] or seen.prints == ["to standard output"]
    print("again")
    (tmp_path / "file").write_text("written")
    assert capsys.readouterr().out == "again\n" and len(seen.files) == 1
