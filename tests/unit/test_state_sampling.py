"""How long the end of a bundle waits for Beam's sampler."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator

import pytest
from apache_beam.runners.worker.statesampler import StateSampler
from apache_beam.utils.counters import CounterFactory

from transforms.state_sampling import SAMPLING_PERIOD_MS, sample_often


@pytest.fixture
def of_beam() -> Iterator[None]:
    """Beam's own default before, and afterwards what was there."""
    kept = StateSampler.__init__.__defaults__
    StateSampler.__init__.__defaults__ = (200,)
    yield
    StateSampler.__init__.__defaults__ = kept


@pytest.mark.usefixtures("of_beam")
def test_samplers_wake_up_often() -> None:
    """Those that are made afterwards; calling it again changes nothing."""
    assert 200 == StateSampler("before", CounterFactory()).sampling_period_ms

    sample_often()
    sample_often()

    assert SAMPLING_PERIOD_MS == StateSampler("after", CounterFactory()).sampling_period_ms


@pytest.mark.usefixtures("of_beam")
def test_what_somebody_else_chose_stays() -> None:
    """As with a Beam that has another default."""
    StateSampler.__init__.__defaults__ = (77,)

    sample_often()

    assert 77 == StateSampler("other", CounterFactory()).sampling_period_ms


def test_beam_makes_samplers_without_a_period() -> None:
    """Else the default would not be what counts; to be looked at again with every Beam."""
    from apache_beam.runners.worker import bundle_processor

    assert "sampling_period_ms" not in inspect.getsource(bundle_processor)


def test_the_plugin_does_it() -> None:
    """Workers import it, by the name that the runner hands to them."""
    code = (
        "import importlib; from transforms import worker_plugin; "
        "from apache_beam.runners.worker.statesampler import StateSampler as S; "
        "importlib.import_module(worker_plugin.ARGUMENT.partition('=')[2]); "
        "print(*S.__init__.__defaults__)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert f"{SAMPLING_PERIOD_MS}" == told.strip()
