"""The measuring rules as a value."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from srzoo.errors import UsageError
from srzoo.protocol import CLASSIC, get_protocol


def test_the_hash_of_classic_is_pinned() -> None:
    # Results are stored under it. A change of the rules needs a new version, and so a new hash, on purpose.
    assert (CLASSIC.version, CLASSIC.hash) == (1, "436aeb16a979")


def test_every_rule_is_part_of_the_hash() -> None:
    changed = [replace(CLASSIC, **{field.name: 0}).hash for field in fields(CLASSIC)]
    assert len({CLASSIC.hash, *changed}) == len(changed) + 1


def test_a_protocol_is_frozen_hashable_and_plain_json() -> None:
    with pytest.raises(FrozenInstanceError):
        CLASSIC.version = 2  # type: ignore[misc]
    assert replace(CLASSIC) == CLASSIC
    assert len({CLASSIC, replace(CLASSIC)}) == 1
    assert json.loads(json.dumps(CLASSIC.to_dict())) == CLASSIC.to_dict()


def test_the_description_says_what_a_reader_must_know() -> None:
    text = CLASSIC.describe()
    assert text.count(". ") == 0
    for word in ("classic", CLASSIC.hash, "BT.601", "uint8", "11x11", "border", "symmetric"):
        assert word in text


def test_protocols_are_found_by_name() -> None:
    assert get_protocol("classic") is CLASSIC
    with pytest.raises(UsageError, match="did you mean 'classic'"):
        get_protocol("clasic")
    with pytest.raises(UsageError, match="known: classic"):
        get_protocol("rgb")


def test_the_import_is_cheap() -> None:
    code = "import sys, srzoo.protocol; print([name for name in ('numpy', 'torch', 'pydantic') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
