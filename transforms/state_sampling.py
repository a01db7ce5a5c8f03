"""Beam's watch on which step a worker is in, made finer, because the end of a bundle waits for it.

A thread looks which step runs, and sleeps in between: 2 ms at first, then a fifth longer every
time, up to 200. `StateSampler.stop`, with which a bundle ends, waits until it wakes up
(apache_beam/runners/worker/statesampler_fast.pyx of Beam 2.77). So a bundle takes a tenth longer
than its work, and as many again where several stages follow each other. Measured, see
docs/readers.md.
"""

from __future__ import annotations

import inspect
import logging

from apache_beam.runners.worker.statesampler import DEFAULT_SAMPLING_PERIOD_MS, StateSampler

SAMPLING_PERIOD_MS = 5
_PARAMETER = "sampling_period_ms"
_LOG = logging.getLogger(__name__)


def sample_often() -> None:
    """Samplers that this process makes from now on sleep `SAMPLING_PERIOD_MS` at most.

    Beam has no option for it: the period is a default that no caller overrides. Where a version
    of Beam has another signature nothing changes, which costs time only.
    """
    parameters = inspect.signature(StateSampler.__init__).parameters
    last = list(parameters.values())[-1]
    if last.name == _PARAMETER and last.default in (DEFAULT_SAMPLING_PERIOD_MS, SAMPLING_PERIOD_MS):
        StateSampler.__init__.__defaults__ = (SAMPLING_PERIOD_MS,)
    else:
        _LOG.debug("this Beam samples in another way: %s", parameters)
