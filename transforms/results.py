"""A result: one window's count for one series in one revision, and its JSON form."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
from typing import Any
from urllib.parse import quote

NO_INPUT = "no_input"
NO_ERRORS = "no_errors"

_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """One window's count.

    Attributes:
      job: name of the job.
      key: the series; None for the total.
      window_start_ms: inclusive, milliseconds since the epoch.
      window_end_ms: exclusive, milliseconds since the epoch.
      count: error lines in the window.
      revision: 0 for the on-time result, then 1, 2, ...
      final: no line can amend the window any more.
      silence: why the count is 0: `no_input` or `no_errors`; None where it is not 0.
    """

    job: str
    key: str | None
    window_start_ms: int
    window_end_ms: int
    count: int
    revision: int
    final: bool
    silence: str | None

    @property
    def id(self) -> str:
        """The same for every revision of a window: `job/key/window_end`, `*` for the total."""
        key = "*" if self.key is None else _encoded(self.key)
        return f"{_encoded(self.job)}/{key}/{format_time(self.window_end_ms)}"

    def to_json(self) -> str:
        """One JSON object on one line, the public form of a result."""
        # Put together from texts that come again and again: there is one for every key and slide.
        start, end = format_time(self.window_start_ms), format_time(self.window_end_ms)
        return (
            f'{{"id":"{self.id}","job":{_json_of(self.job)},"key":{_json_of(self.key)},'
            f'"window_start":"{start}","window_end":"{end}",'
            f'"count":{self.count},"revision":{self.revision},'
            f'"final":{"true" if self.final else "false"},"silence":{_json_of(self.silence)}}}'
        )


def json_line(record: Any) -> str:
    """JSON on one line of printable ASCII, whatever text is in it."""
    text = _ENCODER.encode(record)
    # The one control character that JSON lets through.
    return text.replace("\x7f", "\\u007f")


# Keys come again and again.
@functools.lru_cache(maxsize=20_000)
def _encoded(name: str) -> str:
    return quote(name, safe="")


@functools.lru_cache(maxsize=20_000)
def _json_of(text: str | None) -> str:
    return json_line(text)


# Results of one window follow each other, one for every key.
@functools.lru_cache(maxsize=4_096)
def format_time(time_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds only where they are not zero.

    Years outside 1 to 9999, which RFC 3339 cannot write, come out in ISO 8601's long form.
    """
    seconds, milliseconds = divmod(time_ms, 1000)
    try:
        moment = _EPOCH + datetime.timedelta(seconds=seconds)
        text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    except OverflowError:
        import numpy as np

        text = str(np.datetime64(seconds, "s"))
    return f"{text}.{milliseconds:03d}Z" if milliseconds else f"{text}Z"
