"""Work that is done ahead, in threads of its own, and handed out in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from types import TracebackType
from typing import Generic, TypeVar

import torch

Made = TypeVar("Made")


class Prefetcher(Generic[Made]):
    """Results of ``make(number)`` for each number, in order, made ahead while the caller is busy.

    What ``make`` raises is raised when its turn comes. Leaving the ``with`` block, whatever the reason, waits for what
    is being made, and drops the rest.

    Args:
        make: Makes one result; several threads may call it at once.
        numbers: What it is called with.
        workers: Threads; 0 makes each result when it is asked for. Up to two results for each thread wait.
    """

    def __init__(self, make: Callable[[int], Made], numbers: range, workers: int) -> None:
        self._make = make
        self._numbers = iter(numbers)
        self._ahead = 2 * workers
        self._waiting: deque[Future[Made]] = deque()
        self._threads = _threads(workers) if workers else None

    def __enter__(self) -> Prefetcher[Made]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Made]:
        return self

    def __next__(self) -> Made:
        if self._threads is None:
            return self._make(next(self._numbers))
        while len(self._waiting) <= self._ahead and (number := next(self._numbers, None)) is not None:
            self._waiting.append(self._threads.submit(self._make, number))
        if not self._waiting:
            raise StopIteration
        return self._waiting.popleft().result()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads(count: int) -> ThreadPoolExecutor:
    """Threads in which torch starts no further ones: many teams at once would wait for one another."""
    wanted = torch.get_num_threads()
    begun = Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # the first question in a thread sets the number there, and must not do so later
        torch.set_num_threads(1)
        begun.wait()

    threads = ThreadPoolExecutor(count, "srzoo-data", begin)
    try:
        for _ in range(count):  # each starts a thread, as the others are not through with beginning
            threads.submit(int)
        begun.wait()
    except BaseException:  # no further thread can be started, and those that began would wait for ever
        begun.abort()
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    torch.set_num_threads(wanted)  # the number is each thread's own, but for MKL's, which is one for all
    return threads
