"""The times of a backfill, as flags say them."""

from __future__ import annotations

import pytest

from pipeline import time_range
from pipeline.config import config_from_flags
from pipeline.errors import UsageError
from pipeline.flags import build_parser
from pipeline.time_range import parse_time_ms
from transforms.grid import Grid
from transforms.pane_range import PaneRange
from transforms.results import format_time

GRID = Grid(30, 10)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock says 2026-11-22T12:00:00Z."""
    monkeypatch.setattr(time_range, "wall_clock_ms", lambda: 1_795_348_800_000)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-11-22T10:00:00Z", "Europe/Berlin", "2026-11-22T10:00:00Z"),
        ("2026-11-22t10:00:00z", "UTC", "2026-11-22T10:00:00Z"),
        ("2026-11-22 10:00", "UTC", "2026-11-22T10:00:00Z"),
        ("2026-11-22T10:00", "Europe/Berlin", "2026-11-22T09:00:00Z"),
        ("2026-07-22T10:00", "Europe/Berlin", "2026-07-22T08:00:00Z"),
        ("2026-11-22", "UTC", "2026-11-22T00:00:00Z"),
        ("2026-11-22", "Asia/Kolkata", "2026-11-21T18:30:00Z"),
        ("2026-11-22T10:00:03.5+01:00", "UTC", "2026-11-22T09:00:03.500Z"),
        ("2026-11-22T10:00:03,123999 -0230", "UTC", "2026-11-22T12:30:03.123Z"),
        ("1969-12-31T23:59:59.999Z", "UTC", "1969-12-31T23:59:59.999Z"),
        ("1795341600000", "Europe/Berlin", "2026-11-22T10:00:00Z"),
    ],
)
def test_a_time_is_iso_8601_or_milliseconds(text: str, zone: str, expected: str) -> None:
    """Without a zone it is one of the zone that lines without one are in."""
    assert expected == format_time(parse_time_ms("--from_time", text, zone))


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026", "1795341600", "2026-11-22T24:01Z", "2026-02-30", "2026-11-22T10:00:00CET"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Seconds since 1970 too, which would be taken for a day in 1970."""
    with pytest.raises(UsageError) as caught:
        parse_time_ms("--to_time", text, "UTC")

    fix = "Write it like 2026-11-22T10:00:00Z, or as milliseconds since 1970."
    assert f"--to_time: not a time, got {text!r}. {fix}" == str(caught.value)


@pytest.mark.parametrize("flag", ["--from_time", "--to_time"])
def test_the_future_is_no_range(flag: str) -> None:
    """Nor is a part of it; the very present is past."""
    arguments = ["--kafka_bootstrap_servers=kafka:9092", "--input_topic=logs"]
    config_from_flags(build_parser().parse_args([*arguments, f"{flag}=2026-11-22T12:00:00Z"]))
    with pytest.raises(UsageError) as caught:
        config_from_flags(build_parser().parse_args([*arguments, f"{flag}=2026-11-22T12:00:01Z"]))

    expected = (
        f"{flag}: in the future (it is 2026-11-22T12:00:00Z), got '2026-11-22T12:00:01Z'. "
        "A range is past; without --to_time it ends with the topic."
    )
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "panes", "windows"),
    [
        (0, 30_000, PaneRange(0, 3), (3, 3)),
        (1, 39_999, PaneRange(1, 3), (4, 3)),
        (10_000, 40_000, PaneRange(1, 4), (4, 4)),
        (-10_001, 29_999, PaneRange(-1, 2), (2, 2)),
        (None, 40_000, PaneRange(None, 4), (None, 4)),
        (10_000, None, PaneRange(1, None), (4, None)),
        (None, None, PaneRange(None, None), (None, None)),
    ],
)
def test_a_range_holds_the_panes_and_windows_that_lie_wholly_in_it(
    from_ms: int | None,
    to_ms: int | None,
    panes: PaneRange,
    windows: tuple[int | None, int | None],
) -> None:
    """Windows of 30 s by the index of their end, in tens of seconds; there may be none."""
    found = PaneRange.of_times(GRID, from_ms, to_ms)

    assert (panes, windows) == (found, (found.first_window(GRID), found.last_window))
    assert ((from_ms, to_ms) != (None, None)) == found.is_bounded
