"""Follows the results of a job while it runs."""

from __future__ import annotations

import datetime
import threading
from types import TracebackType
from typing import Any

from pipeline.result_source import ResultSource
from pipeline.result_table import ResultTable


class ResultFollower:
    """A thread that reads results as they come.

    Args:
      source: where they are.
    """

    def __init__(self, source: ResultSource) -> None:
        self._source = source
        self._table = ResultTable()
        self._newest_on_time_ms = 0
        self._count = 0
        self._failure: Exception | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="result-follower", daemon=True)

    @property
    def count(self) -> int:
        """Results so far, repeated ones included."""
        return self._count

    @property
    def newest_on_time_ms(self) -> int:
        """End of the newest window with an on-time result, in milliseconds since the epoch.

        Raises whatever ended the reading.
        """
        self._check()
        return self._newest_on_time_ms

    def settled(self) -> list[dict[str, Any]]:
        """What a reader has kept by now, by window end. Raises whatever ended the reading."""
        self._check()
        with self._lock:
            return self._table.settled()

    def __enter__(self) -> ResultFollower:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for result in self._source.follow(self._stop):
                if isinstance(result, dict):
                    self._take(result)
        except Exception as error:  # noqa: BLE001 - told to whoever asks for results
            self._failure = error

    def _take(self, result: dict[str, Any]) -> None:
        with self._lock:
            self._table.add(result)
            self._count += 1
        if result["revision"] == 0:
            self._newest_on_time_ms = max(self._newest_on_time_ms, end_ms(result))

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


def end_ms(result: dict[str, Any]) -> int:
    """The end of a result's window, in milliseconds since the epoch."""
    text = result["window_end"].replace("Z", "+00:00")
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)
