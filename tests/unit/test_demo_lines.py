"""Demo lines: exact numbers, the same on every machine, and hard on careless filters."""

from __future__ import annotations

import collections
import datetime
import re

import pytest

from pipeline.local.demo_lines import demo_lines
from transforms.filter import ContainsToken

_END_TIME_MS = 1_450_576_000_000
_LINE = re.compile(
    rb"\[(\w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4})\] \[(ERROR|WARN|NOTICE|INFO)\] "
    rb"\[client \d+\.\d+\.\d+\.\d+\] \S.*"
)


def _lines(count: int = 5000, **options: float) -> list[tuple[int, bytes]]:
    return list(demo_lines(count, end_time_ms=_END_TIME_MS, **options))  # type: ignore[arg-type]


def test_first_lines_of_the_default_seed() -> None:
    """The lines of a seed are part of the interface: demos and docs show them."""
    assert [
        (
            1450575709074,
            b"[Sun Dec 20 01:41:49 2015] [WARN] [client 203.0.113.250] "
            b"upstream response took 2150 ms",
        ),
        (
            1450575742644,
            b"[Sun Dec 20 01:42:22 2015] [INFO] [client 203.0.113.78] POST /checkout 201 97",
        ),
        (
            1450575768886,
            b"[Sun Dec 20 01:42:48 2015] [INFO] [client 203.0.113.85] "
            b"GET /cart/items?limit=20 200 812",
        ),
    ] == _lines(10)[:3]


def test_same_arguments_give_the_same_lines() -> None:
    """Nothing but the arguments decides."""
    assert _lines(seed=7) == _lines(seed=7)


def test_another_seed_gives_other_lines() -> None:
    """The seed matters."""
    assert _lines(seed=7) != _lines(seed=8)


@pytest.mark.parametrize(
    ("count", "error_share"),
    [(0, 0.2), (1, 0.2), (1, 1.0), (7, 0.5), (999, 0.2), (1000, 0.0), (1000, 0.001), (1000, 1.0)],
)
def test_number_of_error_lines_is_exact(count: int, error_share: float) -> None:
    """`round(count * error_share)` lines are error lines for the job's own filter."""
    lines = _lines(count, error_share=error_share)
    assert count == len(lines)
    assert round(count * error_share) == sum(ContainsToken()(line) for _, line in lines)


def test_error_lines_are_those_of_level_error() -> None:
    """No other line holds the word ERROR, though some hold its letters."""
    others = [line for _, line in _lines() if b"] [ERROR] [" not in line]
    assert 4000 == len(others)
    assert [] == [line for line in others if ContainsToken()(line)]
    assert {b"ERROR_COUNT=0", b"rcode=NOERROR", b"TERRORS"} == {
        word for line in others for word in line.split() if b"ERROR" in word
    }


def test_every_line_has_apaches_form_with_its_event_time() -> None:
    """The time in a line is its event time in UTC, cut to the second."""
    for timestamp_ms, line in _lines():
        match = _LINE.fullmatch(line)
        assert match is not None, line
        written = datetime.datetime.strptime(
            f"{match[1].decode()} +0000", "%a %b %d %H:%M:%S %Y %z"
        )
        assert timestamp_ms // 1000 == int(written.timestamp())


def test_all_levels_appear() -> None:
    """The lines are a mix, INFO most of all."""
    levels = collections.Counter(line.split(b"] [")[1] for _, line in _lines())
    assert [b"INFO", b"ERROR", b"NOTICE", b"WARN"] == [level for level, _ in levels.most_common()]


def test_event_times_fill_the_span_and_stay_in_it() -> None:
    """Times lie in [end - span, end), and reach both ends."""
    times = [timestamp_ms for timestamp_ms, _ in _lines(span_seconds=60)]
    assert _END_TIME_MS - 60_000 <= min(times) < _END_TIME_MS - 59_000
    assert _END_TIME_MS - 1_000 <= max(times) < _END_TIME_MS


def test_disorder_is_slight() -> None:
    """A few lines come late, by no more than 3 s."""
    newest = 0
    delays = []
    for timestamp_ms, _ in _lines():
        newest = max(newest, timestamp_ms)
        delays.append(newest - timestamp_ms)
    late = [delay for delay in delays if delay > 0]
    assert 0.03 < len(late) / len(delays) < 0.07
    assert 2_500 < max(late) <= 3_000


def test_load_comes_in_bursts() -> None:
    """Some seconds hold several times as many lines as others."""
    by_second = collections.Counter(time_ms // 1000 for time_ms, _ in _lines(30_000))
    assert 300 == len(by_second)
    assert max(by_second.values()) > 4 * min(by_second.values())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"count": -1}, "count must not be negative, got -1"),
        ({"error_share": 1.1}, "error_share must be from 0 to 1, got 1.1"),
        ({"span_seconds": 0}, "span_seconds must be at least 1, got 0"),
        ({"end_time_ms": 1000}, "end_time_ms must be span_seconds after 1970, got 1000"),
    ],
)
def test_arguments_out_of_range_fail_at_the_call(options: dict[str, float], problem: str) -> None:
    """Not only when the first line is asked for."""
    arguments = {"count": 1, "end_time_ms": _END_TIME_MS, **options}
    with pytest.raises(ValueError, match=re.escape(problem)):
        demo_lines(**arguments)  # type: ignore[arg-type]
