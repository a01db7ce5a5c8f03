"""The live job from records to results: keys, late lines, dead letters, the ledger.

The runner's part is played by `live_chain`; expected tables are those of the reference model.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import reference_results
from tests.unit.live_chain import LiveChain
from transforms import panes
from transforms.classify import LineRules
from transforms.dead_letters import TIMESTAMP, TOO_LATE
from transforms.filter import ContainsText
from transforms.formats import LineParser
from transforms.grid import Grid
from transforms.ledger import Tally
from transforms.records import Record
from transforms.results import format_time
from transforms.timing import Timing

LATENESS_SECONDS = 20
DELAY_MS = 500
RULES = LineRules(
    ContainsText("ERROR"), LineParser("logfmt"), group_by=("k",), max_future_seconds=300
)
TIMING = Timing(
    allowed_lateness_ms=LATENESS_SECONDS * 1000,
    on_time_delay_ms=DELAY_MS,
    max_silence_ms=400_000,
    series_idle_ms=60_000,
)
# How many cases; the nightly run asks for more.
CASES = int(os.environ.get("ERROR_WINDOWS_CASES", "150"))


def chain(rules: LineRules = RULES, timing: Timing = TIMING, max_keys: int = 1_000) -> LiveChain:
    """A live job with windows of 30 s every 10 s."""
    return LiveChain(rules, Grid(30, 10), timing, max_keys=max_keys)


def record(seconds: float, line: bytes, offset: int, partition: int = 0) -> Record:
    """A record of the topic `logs`."""
    return Record("logs", partition, offset, round(seconds * 1000), None, line)


def counts(job: LiveChain, key: str | None) -> list[tuple[int, int, int, bool]]:
    """(window end in s, count, revision, final) of all results of a series, as they came."""
    return [
        (one.window_end_ms // 1000, one.count, one.revision, one.final)
        for one in job.results
        if one.key == key
    ]


def test_every_key_has_a_series_and_all_together_are_the_total() -> None:
    """Two lines of two keys, in one pane."""
    job = chain()
    job.bundle([record(5, b"k=a ERROR", 0), record(6, b"k=b ERROR", 1), record(7, b"k=b ok", 2)])
    job.watermark(10_500)

    assert [(10, 2, 0, False)] == counts(job, None)
    assert [(10, 1, 0, False)] == counts(job, "a") == counts(job, "b")


def test_a_bundle_with_very_many_keys_and_panes_is_counted_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that its table stays small; no line is counted twice."""
    monkeypatch.setattr(panes, "MAX_COUNTS_PER_BUNDLE", 3)
    job = chain()
    lines = [(5 + 10 * (number % 4), f"k={number % 5} ERROR") for number in range(200)]
    for first in range(0, 200, 50):
        job.bundle(
            record(seconds, line.encode(), first + offset)
            for offset, (seconds, line) in enumerate(lines[first : first + 50])
        )
    job.watermark(100_000)

    # 200 lines in 4 panes, and of each key 10 in each.
    expected = [(10, 50), (20, 100), (30, 150), (40, 150), (50, 100), (60, 50)]
    assert expected == [row[:2] for row in counts(job, None) if not row[3]][:6]
    assert [(end, number // 5) for end, number in expected] == [
        row[:2] for row in counts(job, "3") if not row[3]
    ][:6]


def test_keys_beyond_the_bound_share_a_series() -> None:
    """Whatever a forged field says, there are so many series and one more."""
    job = chain(max_keys=1)
    job.bundle([record(5, b"k=a ERROR", 0)])
    job.bundle([record(5, b"k=%d ERROR" % number, number) for number in range(1, 50)])
    job.watermark(10_500)

    assert [(10, 50, 0, False)] == counts(job, None)
    assert [(10, 49, 0, False)] == counts(job, "other")
    assert {None, "a", "other"} == {one.key for one in job.results}


def test_a_line_of_a_closed_pane_is_a_dead_letter_and_counts_nowhere() -> None:
    """Its oldest window was final; none of its windows changes, and the ledger says so."""
    job = chain()
    job.bundle([record(5, b"k=a ERROR", 0)])
    job.watermark(10_000 + DELAY_MS + LATENESS_SECONDS * 1000)
    before = len(job.results)
    late = record(9, b"k=a ERROR", 1)
    job.bundle([late])
    job.watermark(80_000)
    job.tell_ledger(now=True)

    assert [(TOO_LATE, late)] == [(one.reason, one.record) for one in job.dead_letters]
    assert not [one for one in job.results[before:] if one.count > 1]
    assert Tally(counted=1, too_late=1) == job.rows["errors/logs/0/*"].tally
    assert job.rows["errors/logs/0/*"].balanced


def test_a_late_line_of_an_open_pane_amends_all_its_windows() -> None:
    """One moment before its oldest window is final."""
    job = chain()
    job.bundle([record(5, b"k=a ERROR", 0)])
    job.watermark(10_000 + DELAY_MS + LATENESS_SECONDS * 1000 - 1)
    job.bundle([record(9, b"k=a ERROR", 1)])
    job.watermark(100_000)

    final = [row[:2] for row in counts(job, None) if row[3]]

    assert [(10, 2), (20, 2), (30, 2), (40, 0), (50, 0), (60, 0), (70, 0)] == final
    assert [] == job.dead_letters


def test_a_time_far_ahead_is_a_dead_letter_and_opens_nothing() -> None:
    """A record of 2100 among those of today."""
    job = chain()
    forged = record(4_102_444_800, b"k=a ERROR", 1)
    job.bundle([record(5, b"k=a ERROR", 0), forged])
    job.watermark(10_500)

    assert [(TIMESTAMP, forged)] == [(one.reason, one.record) for one in job.dead_letters]
    assert [(10, 1, 0, False)] == counts(job, None)


def test_early_results_come_before_the_end_of_their_window() -> None:
    """As revision -1, when something changed; the on-time result is revision 0 as ever."""
    job = chain(timing=TIMING._replace(early_ms=2_000))
    job.bundle([record(1, b"k=a ERROR", 0)])
    job.clock(5_000)
    job.bundle([record(6, b"k=a ERROR", 1)])
    job.clock(9_000)
    job.watermark(10_500)

    assert [(10, 1, -1, False), (10, 2, -1, False), (10, 2, 0, False)] == counts(job, None)


def test_early_results_come_no_more_often_than_asked_for() -> None:
    """What came meanwhile is told together."""
    job = chain(timing=TIMING._replace(early_ms=4_000))
    for second in range(1, 9):
        job.clock(second * 1_000)
        job.bundle([record(second, b"k=a ERROR", second)])
    job.clock(10_000)

    assert [(10, 3, -1, False), (10, 7, -1, False)] == counts(job, None)


def test_without_a_watermark_panes_close_by_the_clock() -> None:
    """An empty partition holds the watermark back for ever; lines come too late all the same."""
    job = chain()
    job.bundle([record(5, b"k=a ERROR", 0)])
    job.clock(120_000)
    job.bundle([record(6, b"k=a ERROR", 1)])

    assert [TOO_LATE] == [one.reason for one in job.dead_letters]


def test_a_backlog_that_is_read_slowly_is_counted_in_full() -> None:
    """The watermark decides what is too late, however far it is behind the clock."""
    job = chain()
    job.clock(1_000_000)
    job.bundle([record(5, b"k=a ERROR", 0)])
    job.watermark(15_000)
    job.clock(1_600_000)
    job.bundle([record(6, b"k=a ERROR", 1)])
    job.watermark(200_000)

    assert [] == job.dead_letters
    assert [(10, 2), (20, 2), (30, 2)] == [row[:2] for row in counts(job, None) if row[3]][:3]


def test_lines_that_waited_while_the_job_was_stopped_are_not_too_late() -> None:
    """However long it was: the clock went on, but the watermark had no time to come."""
    job = chain()
    job.bundle([record(5, b"k=a ERROR", 0)])
    job.clock(10_000)
    job.watermark(10_500)
    job.now_ms = 7_200_000
    job.clock(7_201_000)
    job.bundle([record(15, b"k=a ERROR", 1), record(3_600, b"k=a ERROR", 2)])
    job.tell_ledger(now=True)

    assert [] == job.dead_letters
    assert Tally(counted=3) == job.rows["errors/logs/0/*"].tally


LINES = st.tuples(
    st.integers(0, 300_000),  # event time in ms
    st.sampled_from([b"k=a ERROR", b"k=a ok", b"k=b ERROR", b"k=b ok", b"ERROR", b"k=c ok"]),
    st.integers(0, 2),  # partition
)
STEPS = st.lists(
    st.one_of(st.lists(LINES, min_size=1, max_size=8), st.integers(1, 40_000)), max_size=20
)


@given(steps=STEPS, ahead_ms=st.sampled_from([0, 5_000, 100_000]))
@settings(max_examples=CASES)
def test_whatever_comes_the_table_is_that_of_the_reference_and_the_ledger_balances(
    steps: list[list[tuple[int, bytes, int]] | int], ahead_ms: int
) -> None:
    """Lines of three partitions in any order, the watermark moving on between bundles.

    Every error line is in the table or a dead letter, as the watermark at its arrival decides;
    every window of the grid is there, its revisions count up from 0, and the last is final.
    """
    job = chain()
    offsets = {0: 0, 1: 0, 2: 0}
    taken: list[tuple[int, bytes]] = []
    too_late: list[tuple[int, int]] = []
    read = 0
    watermark, closed_before_ms, first_ms = 0, None, None
    for step in steps:
        if isinstance(step, int):
            watermark += step
            job.now_ms = max(job.now_ms, watermark + ahead_ms)
            job.watermark(watermark)
            if first_ms is not None:
                # The oldest pane whose window is not final, on a grid that began with a line.
                limit = (watermark - DELAY_MS - TIMING.allowed_lateness_ms) // 10_000 * 10_000
                if limit > first_ms // 10_000 * 10_000:
                    closed_before_ms = max(limit, closed_before_ms or 0)
            continue
        bundle = []
        for time_ms, line, partition in step:
            offset = offsets[partition]
            offsets[partition] += 1
            bundle.append(Record("logs", partition, offset, time_ms, None, line))
            read += 1
            closed = closed_before_ms is not None and time_ms < closed_before_ms
            if not closed:
                taken.append((time_ms, line))
                first_ms = time_ms if first_ms is None else min(first_ms, time_ms)
            elif b"ERROR" in line:
                too_late.append((partition, offset))
        job.now_ms = max(job.now_ms, watermark + ahead_ms)
        job.bundle(bundle)
    last_ms = max((time_ms for time_ms, _ in taken), default=0)
    job.watermark(last_ms + TIMING.max_silence_ms + 100_000)
    job.tell_ledger(now=True)

    # Partitions of a bundle come one after the other, in any order.
    assert [(TOO_LATE, *place) for place in sorted(too_late)] == sorted(
        (one.reason, one.record.partition, one.record.offset) for one in job.dead_letters
    )

    expected = {
        (one["key"], one["window_end"]): (one["count"], one["silence"])
        for one in reference_results(
            taken,
            is_error=lambda line: b"ERROR" in line,
            key_of=lambda line: line.split()[0].partition(b"k=")[2].decode(),
            series_idle_seconds=TIMING.series_idle_ms // 1000,
        )
    }
    last_end = max((end for key, end in expected if key is None), default="")
    table = {
        (key, format_time(end_ms)): (one.count, one.silence)
        for (key, end_ms), one in job.table().items()
    }
    assert expected == {(key, end): one for (key, end), one in table.items() if end <= last_end}
    told: dict[str, list[tuple[int, bool]]] = {}
    for one in job.results:
        told.setdefault(one.id, []).append((one.revision, one.final))
    for revisions in told.values():
        last = revisions.pop()
        # A revision that is due when the window becomes final is told as that.
        told_before = [(number, False) for number in range(last[0] + 1)]
        assert (last[1], True) == (True, revisions in (told_before, told_before[:-1]))

    rows = [row for row in job.rows.values() if row.minute_ms is None]
    assert all(row.balanced and not row.pending and not row.missing for row in rows)
    assert read == sum(row.tally.read for row in rows)
    assert len(too_late) == sum(row.tally.too_late for row in rows)
    counted = sum(b"ERROR" in line for _, line in taken)
    assert counted == sum(row.tally.counted for row in rows)
