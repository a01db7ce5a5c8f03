"""Strikes, and measures how long the job takes to get over it."""

from __future__ import annotations

import dataclasses
import time

from tests.chaos.faults import Fault
from tests.chaos.stage import Stage
from tests.chaos.waiting import now_ms, wait_until

RECOVERY_SECONDS = 240.0


@dataclasses.dataclass(frozen=True)
class Strike:
    """A fault that the job got over.

    Attributes:
      fault: its name.
      outage_seconds: how long `strike` took: until the fault was over from the outside.
      recovery_seconds: from the beginning of the strike until all tasks of the job ran and the
        on-time result of a window was out that ended after the fault was over. Windows end
        every `SLIDE_SECONDS`, and a result waits a second for late lines, so that 1 to 3
        seconds of it pass without any fault.
    """

    fault: str
    outage_seconds: float
    recovery_seconds: float


def strike_and_recover(
    stage: Stage, fault: Fault, *, timeout_seconds: float = RECOVERY_SECONDS
) -> Strike:
    """Strikes and waits until the job has recovered.

    Raises:
      NotInTimeError: it did not recover.
    """
    start = time.monotonic()
    fault.strike(stage)
    over_ms, outage_seconds = now_ms(), time.monotonic() - start

    def has_recovered() -> bool:
        if stage.results.newest_on_time_ms <= over_ms:
            return False
        job = stage.job()
        return job is not None and job.runs

    wait_until(has_recovered, what=f"recovery from: {fault.name}", timeout_seconds=timeout_seconds)
    return Strike(fault.name, outage_seconds, time.monotonic() - start)
