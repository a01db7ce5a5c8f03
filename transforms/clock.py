"""The one clock of the transforms; everything that looks at it takes it as an argument."""

import time


def wall_clock_ms() -> int:
    """The time of day, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
