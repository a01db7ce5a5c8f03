"""Log lines for trying things out: the same seed gives the same lines, on any machine."""

from __future__ import annotations

import bisect
import datetime
import heapq
import itertools
import random
from collections.abc import Iterator

DEFAULT_ERROR_SHARE = 0.2
DEFAULT_SEED = 1
DEFAULT_SPAN_SECONDS = 300

_MAX_DELAY_MS = 3000
_DELAYED_SHARE = 0.05
_BURST_SHARE = 0.1
_BURST_WEIGHT = 6.0
# Named here because strftime's names follow the machine's language.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_ERRORS: tuple[str, ...] = (
    "Directory index forbidden by rule: /home/raj/",
    "File does not exist: /var/www/html/favicon.ico",
    "script not found or unable to stat: /var/www/cgi-bin/awstats",
    "(13)Permission denied: file permissions deny server access: /srv/private/report.pdf",
    "request failed: URI too long (longer than 8190)",
    "mod_jk child workerEnv in error state 6",
    "connect to upstream 10.0.0.7:8080 failed: Connection refused",
)
# With each level how often it comes, and its messages. Some hold what a careless filter
# takes for an error line: the letters ERROR as part of a longer word.
_OTHERS: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    (
        "WARN",
        10,
        (
            "upstream response took 2150 ms",
            "child process 4711 still did not exit, sending a SIGTERM",
            "TERRORS cache shard is 91 % full",
        ),
    ),
    (
        "NOTICE",
        15,
        (
            "workerEnv.init() ok /etc/httpd/conf/workers2.properties",
            "Graceful restart requested, doing restart",
            "caught SIGTERM, shutting down",
        ),
    ),
    (
        "INFO",
        75,
        (
            "GET /index.html 200 5120",
            "GET /cart/items?limit=20 200 812",
            "POST /checkout 201 97",
            "health check passed ERROR_COUNT=0 WARN_COUNT=2",
            "resolver answered rcode=NOERROR in 3 ms",
            "session opened for user raj",
        ),
    ),
)
_OTHER_WEIGHTS = list(itertools.accumulate(weight for _, weight, _ in _OTHERS))


def demo_lines(
    count: int,
    *,
    error_share: float = DEFAULT_ERROR_SHARE,
    seed: int = DEFAULT_SEED,
    end_time_ms: int,
    span_seconds: int = DEFAULT_SPAN_SECONDS,
) -> Iterator[tuple[int, bytes]]:
    """Makes `count` lines in the form of Apache's error log, in the order they would arrive.

    Most come in the order of their times, one in twenty up to 3 s late. Bursts make some
    seconds several times as busy as others.

    Args:
      count: how many lines.
      error_share: from 0 to 1; `round(count * error_share)` lines are error lines, and no
        other line holds ERROR as a word of its own.
      seed: another seed gives other lines.
      end_time_ms: all event times are before it, in epoch milliseconds.
      span_seconds: and not more than so long before it.

    Returns:
      Event time in epoch milliseconds, and the line without line end. The time in the line
      is the event time in UTC, cut to the second.

    Raises:
      ValueError: an argument is out of its range (at the call, not at the first line).
    """
    if count < 0:
        raise ValueError(f"count must not be negative, got {count}")
    if not 0 <= error_share <= 1:
        raise ValueError(f"error_share must be from 0 to 1, got {error_share}")
    if span_seconds < 1:
        raise ValueError(f"span_seconds must be at least 1, got {span_seconds}")
    if end_time_ms < span_seconds * 1000:
        raise ValueError(f"end_time_ms must be span_seconds after 1970, got {end_time_ms}")
    generator = random.Random(seed)
    return _generate(generator, count, round(count * error_share), end_time_ms, span_seconds)


def _generate(
    generator: random.Random, count: int, errors_left: int, end_time_ms: int, span_seconds: int
) -> Iterator[tuple[int, bytes]]:
    # Lines under way: those that may still be overtaken by a later one.
    waiting: list[tuple[int, int, int, bytes]] = []
    times = _event_times_ms(generator, count, end_time_ms, span_seconds)
    for number, time_ms in enumerate(times):
        # Takes each line with the chance that makes the number of errors come out exactly.
        is_error = generator.random() * (count - number) < errors_left
        errors_left -= is_error
        line = _line(generator, time_ms, is_error)
        delayed = generator.random() < _DELAYED_SHARE
        arrival_ms = time_ms + (generator.randint(1, _MAX_DELAY_MS) if delayed else 0)
        heapq.heappush(waiting, (arrival_ms, number, time_ms, line))
        while waiting and waiting[0][0] <= time_ms:
            yield heapq.heappop(waiting)[2:]
    while waiting:
        yield heapq.heappop(waiting)[2:]


def _event_times_ms(
    generator: random.Random, count: int, end_time_ms: int, span_seconds: int
) -> Iterator[int]:
    """Ascending times: the i-th of `count` equal shares of a load that varies by the second."""
    load = [
        _BURST_WEIGHT if generator.random() < _BURST_SHARE else 1.0 for _ in range(span_seconds)
    ]
    ends = list(itertools.accumulate(load))
    start_ms = end_time_ms - span_seconds * 1000
    for number in range(count):
        position = (number + generator.random()) / count * ends[-1]
        second = min(bisect.bisect_right(ends, position), span_seconds - 1)
        into_second = 1 - (ends[second] - position) / load[second]
        yield start_ms + second * 1000 + min(999, int(into_second * 1000))


def _line(generator: random.Random, time_ms: int, is_error: bool) -> bytes:
    if is_error:
        level, messages = "ERROR", _ERRORS
    else:
        choice = generator.random() * _OTHER_WEIGHTS[-1]
        level, _, messages = _OTHERS[bisect.bisect_right(_OTHER_WEIGHTS, choice)]
    message = messages[int(generator.random() * len(messages))]
    client = f"203.0.113.{1 + int(generator.random() * 254)}"
    return f"[{_apache_time(time_ms)}] [{level}] [client {client}] {message}".encode("ascii")


def _apache_time(time_ms: int) -> str:
    time = datetime.datetime.fromtimestamp(time_ms // 1000, datetime.timezone.utc)
    return (
        f"{_WEEKDAYS[time.weekday()]} {_MONTHS[time.month - 1]} "
        f"{time.day:02d} {time:%H:%M:%S} {time.year:04d}"
    )
