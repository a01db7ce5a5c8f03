"""Event-time timers of many moments that are past, and the probe for a watermark."""

from __future__ import annotations

import dataclasses

from tests.unit.live_chain import Alarm
from transforms.beam_time import milliseconds_of, timestamp_of
from transforms.event_timers import is_without_watermark, set_next
from transforms.timing import STILL_WITHOUT_LINES_MS

SLIDE_MS = 10_000


@dataclasses.dataclass
class Watched:
    """The state of a step."""

    reached_ms: int = 0
    probed_ms: int = 0


def due_ms(index: int) -> int:
    """When a window of the test is over."""
    return index * SLIDE_MS


def rounds(*, watermark: int, now: int) -> tuple[int, int]:
    """Deals with windows as they fire: (how many bundles that took, the next window)."""
    timer, index, count = Alarm(), 0, 0
    set_next(timer, due_ms, index, due_ms(now))
    while fired := timer.take_due(timestamp_of(due_ms(watermark))):
        count += 1
        for one in fired:
            while due_ms(index) <= milliseconds_of(one):
                index += 1
            set_next(timer, due_ms, index, due_ms(now))
    return count, index


def test_a_watermark_that_jumps_over_a_day_is_followed_in_a_few_bundles() -> None:
    """8,640 windows: one by one they would take hours on Flink."""
    count, index = rounds(watermark=8_640, now=8_650)

    assert 8_641 == index
    assert count <= 16


def test_nothing_is_dealt_with_before_the_watermark_is_past_it() -> None:
    """Wherever the watermark is on the way to the clock."""
    for watermark in range(40):
        assert watermark + 1 == rounds(watermark=watermark, now=40)[1]


def test_a_step_that_is_not_behind_sets_one_timer() -> None:
    """So it is all the time, but for outages."""
    timer = Alarm()
    set_next(timer, due_ms, 7, due_ms(7))

    assert [timestamp_of(due_ms(7))] == timer.take_due(timestamp_of(due_ms(1_000)))


def test_without_a_watermark_the_clock_decides_a_while_after_the_probe() -> None:
    """A probe that does not fire says that there is none."""
    state, timer, later = Watched(), Alarm(), STILL_WITHOUT_LINES_MS

    assert not is_without_watermark(state, timer, 100_000 - 1, due_ms=100_000)
    assert timer.due(timestamp_of(10**12)) is None
    assert not is_without_watermark(state, timer, 100_000, due_ms=100_000)
    assert timestamp_of(1) == timer.due(timestamp_of(1))
    assert not is_without_watermark(state, timer, 100_000 + later - 1, due_ms=100_000)
    assert is_without_watermark(state, timer, 100_000 + later, due_ms=100_000)
    assert is_without_watermark(state, timer, 200_000, due_ms=200_000)


def test_with_a_watermark_the_clock_decides_nothing() -> None:
    """However far it is behind: the probe fires, and another one is set a while later."""
    state, timer = Watched(), Alarm()
    for now_ms in range(100_000, 1_000_000, 1_000):
        assert not is_without_watermark(state, timer, now_ms, due_ms=100_000)
        if timer.take_due(timestamp_of(1)):
            state.reached_ms = now_ms + 1
