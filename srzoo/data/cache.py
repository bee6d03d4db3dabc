"""Pixels that stay in memory for as long as there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class PixelCache:
    """Arrays by key; where there are too many, those go that were not used for longest. Threads may share one.

    Args:
        limit: Most bytes that are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[Hashable, Pixels] = OrderedDict()
        self._lock = Lock()
        self.size = 0
        """Bytes that are kept now."""

    def get(self, key: Hashable, make: Callable[[], Pixels]) -> Pixels:
        """What is kept under ``key``, made first where it is not there; what ``make`` raises is passed on."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()  # outside the lock: others need not wait, at the price of making a thing twice now and then
        with self._lock:
            if key not in self._held and made.nbytes <= self._limit:
                self._held[key] = made
                self.size += made.nbytes
                while self.size > self._limit:
                    self.size -= self._held.popitem(last=False)[1].nbytes
        return made
