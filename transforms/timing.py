"""When windows are told."""

from __future__ import annotations

from typing import NamedTuple

# Lines reach Kafka a moment after their time, and Beam's connector takes a partition without
# newer records to be up to the present: without a delay nearly every window would be amended.
DEFAULT_ON_TIME_DELAY_MS = 500
# There is no watermark if none shows for so long: after a restart it takes a moment.
STILL_WITHOUT_LINES_MS = 12_000
# Where there is no watermark, a window becomes final so much later than the gate closes
# (`transforms.pane_gate`): what the gate let pass is on its way.
FINAL_MARGIN_MS = 60_000


class Timing(NamedTuple):
    """When windows of a live job are told, and when zeros stop.

    Attributes:
      allowed_lateness_ms: lines that come so late still amend their windows.
      on_time_delay_ms: a window is told so long after its end.
      max_silence_ms: after so long without a line there are no more zeros.
      series_idle_ms: the same for each series of a key.
      early_ms: how often a window is told before its end at most; None: not.
    """

    allowed_lateness_ms: int
    on_time_delay_ms: int
    max_silence_ms: int
    series_idle_ms: int
    early_ms: int | None = None
