"""Work in a thread beside a block, ended with it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def in_background(work: Callable[[], None], stop: threading.Event, *, name: str) -> Iterator[None]:
    """Runs `work` while the block does; at its end sets `stop` and waits for `work` to return.

    Args:
      work: returns soon after `stop` is set, if not before.
      stop: what `work` looks at.
      name: of the thread.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
