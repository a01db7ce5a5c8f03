"""Lets Ctrl-C and a polite end through while large libraries are loaded."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_ENDS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Repeats the end of the command where a module that is imported in the block swallows it.

    Handlers of signals raise what ends the command. Some of what Beam imports looks for optional
    modules in a way that catches everything, and the command would go on as if nothing had been.
    """
    if threading.current_thread() is not threading.main_thread():
        # Handlers run in the main thread only.
        yield
        return
    heard: list[int] = []
    handlers: dict[int, Callable[[int, Any], Any]] = {}
    for number in _ENDS:
        handler = signal.getsignal(number)
        # One that is ignored stays so.
        if callable(handler):
            handlers[number] = handler

    def hear(number: int, frame: Any) -> None:
        heard.append(number)
        handlers[number](number, frame)

    for one in handlers:
        signal.signal(one, hear)
    try:
        yield
    finally:
        for one, old in handlers.items():
            signal.signal(one, old)
    if heard:
        signal.raise_signal(heard[0])
