"""Work that is done ahead, in order."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from srzoo.data.prefetch import Prefetcher
from srzoo.errors import DataError


def test_results_come_in_order_and_a_few_are_made_ahead() -> None:
    begun = []

    def make(number: int) -> int:
        begun.append(number)
        time.sleep(0.01 * (number % 3))
        return number

    with Prefetcher(make, range(40), workers=3) as results:
        assert next(results) == 0
        time.sleep(0.2)
        assert sorted(begun) == list(range(7))
        assert list(results) == list(range(1, 40))
    with Prefetcher(make, range(3), workers=0) as results:
        assert next(results) == 0 and begun[-1] == 0


def test_torch_has_its_threads_outside_and_one_in_each_worker() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with Prefetcher(lambda number: torch.get_num_threads(), range(9), workers=2) as results:
            assert list(results) == [1] * 9
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_thread_that_cannot_be_started_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    start, before = threading.Thread.start, threading.active_count()

    def refuse_the_second(thread: threading.Thread) -> None:
        if threading.active_count() > before:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_second)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Prefetcher(int, range(4), workers=3)
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_is_raised_when_its_turn_comes_and_threads_end(workers: int) -> None:
    def make(number: int) -> int:
        if number == 2:
            raise DataError("two")
        return number

    before = threading.active_count()
    with pytest.raises(DataError, match="two"), Prefetcher(make, range(1000), workers) as results:
        assert [next(results), next(results)] == [0, 1]
        next(results)
    assert threading.active_count() == before
