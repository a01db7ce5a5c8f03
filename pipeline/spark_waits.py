"""Says that a job on Spark waits for executors, which Spark itself only logs, again and again."""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Callable, Iterator

from pipeline.background import in_background
from pipeline.growing_files import Tail

_LOOK_SECONDS = 1.0
# In the words of Spark 3.5.
_NO_EXECUTORS = b"has not accepted any resources"


@contextlib.contextmanager
def told_when_it_waits(log_path: pathlib.Path, say: Callable[[str], None]) -> Iterator[None]:
    """Looks into the log of the job server within the block.

    Args:
      log_path: of the job server; what it holds already does not count.
      say: is told once, from another thread.
    """
    log = Tail(str(log_path))
    for _ in log.new_lines():
        pass
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(_LOOK_SECONDS):
            if any(_NO_EXECUTORS in line for line in log.new_lines()):
                say(
                    "Spark has no executors for the job: are there workers with free cores and "
                    "memory? Waiting (Ctrl-C ends)"
                )
                return

    with in_background(look, stop, name="spark-waits"):
        yield
