"""The one clock of the transforms; everything that looks at it takes it as an argument."""

import time

# So many ticks without one mean that the job did not run.
_MISSED_TICKS = 4


def wall_clock_ms() -> int:
    """The time of day, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def was_away(last_ms: int, now_ms: int, tick_ms: int) -> bool:
    """Whether what looks at the clock every `tick_ms` has not done so for a while.

    The job was stopped, or starved; that the watermark did not come meanwhile says nothing.

    Args:
      last_ms: when it last looked.
      now_ms: the clock.
      tick_ms: how often it should look.
    """
    return now_ms - last_ms > _MISSED_TICKS * tick_ms
