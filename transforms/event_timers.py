"""Event-time timers: many moments that may all be past, and whether there is a watermark at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

from transforms.beam_time import timestamp_of
from transforms.timing import STILL_WITHOUT_LINES_MS

# Any watermark is past this, unless it is the one before all time.
_ANY_WATERMARK_MS = 1


def set_next(timer: Any, due_ms: Callable[[int], int], index: int, now_ms: int) -> None:
    """Sets a timer to when `index` is due, and others 1, 2, 4, 8, ... further, as far as the clock.

    A timer that is set while another one fires is fired in the next bundle at the earliest, on
    Flink a fraction of a second later. After an outage, or at the beginning of an old topic, the
    watermark is past very many moments at once: one by one they would take as many bundles. The
    last of those that fire says how far the watermark is at least.

    Args:
      timer: of Beam, with dynamic tags.
      due_ms: when an index is due, in ascending order.
      index: the first that is not dealt with.
      now_ms: the clock, which no watermark is ahead of.
    """
    timer.set(timestamp_of(due_ms(index)))
    step = 1
    while due_ms(index + step) <= now_ms:
        timer.set(timestamp_of(due_ms(index + step)), dynamic_timer_tag=str(step))
        step *= 2


@dataclasses.dataclass
class Watch:
    """When there was a watermark, by itself (`Watched`)."""

    reached_ms: int
    probed_ms: int


class Watched(Protocol):
    """State that knows when there was a watermark.

    Attributes:
      reached_ms: when an event-time timer last fired, by the clock.
      probed_ms: when a probe was last set.
    """

    reached_ms: int
    probed_ms: int


def is_without_watermark(state: Watched, timer: Any, now_ms: int, *, due_ms: int) -> bool:
    """Whether the clock has to decide what is due, because there is no watermark at all.

    A watermark that is far behind the clock is not the same as none: a backlog is being read, and
    what is due by the clock is not due. No step sees the watermark, but a timer for a moment that
    every watermark is past fires at once, unless there is none: that is the probe. It is set when
    something is due by the clock and no timer has fired for a while. The callback of the timer
    notes `reached_ms`.

    Args:
      state: what is kept between calls; changed.
      timer: an event-time timer with dynamic tags.
      now_ms: the clock.
      due_ms: when the next thing is due.
    """
    if now_ms < due_ms or now_ms - state.reached_ms < STILL_WITHOUT_LINES_MS:
        return False
    if state.probed_ms <= state.reached_ms:
        state.probed_ms = now_ms
        timer.set(timestamp_of(_ANY_WATERMARK_MS), dynamic_timer_tag="probe")
        return False
    return now_ms - state.probed_ms >= STILL_WITHOUT_LINES_MS
