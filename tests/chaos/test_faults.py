"""The live job is broken in every way, one after the other, and its table is exact afterwards."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import pytest

from tests.chaos.checkpoint_faults import (
    DamageNewestCheckpoint,
    KillDuringCheckpoint,
    NoPlaceForCheckpoints,
)
from tests.chaos.faults import (
    Fault,
    KillDriver,
    KillDriverWhileSubmitting,
    KillFlink,
    KillHarness,
    KillJobManager,
    KillLeader,
    KillSupervisor,
    KillTaskManager,
)
from tests.chaos.outages import BrokerOutage, FreezeTaskManager, LoseBroker, ZooKeeperOutage
from tests.chaos.recovery import strike_and_recover
from tests.chaos.stage import Stage, StageConfig
from tests.processes import needs_proc

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1_800), needs_proc]

_PLAIN = StageConfig()
_HIGHLY_AVAILABLE = StageConfig(high_availability=True)
_THREE_BROKERS = StageConfig(brokers=3, output="kafka:error-counts")


def _break_and_compare(folder: pathlib.Path, config: StageConfig, faults: Sequence[Fault]) -> None:
    """One cluster, one job, all of the faults; then every window is compared."""
    with Stage(folder, config) as stage:
        for fault in faults:
            assert fault.needs.fits(config)
            strike_and_recover(stage, fault)
        _, verdict = stage.finish()
    assert () == verdict.differences
    assert verdict.windows > len(faults)


def test_processes_are_killed(tmp_path: pathlib.Path) -> None:
    """Python, TaskManager, JobManager, driver, all of Flink, Kafka: no count is lost or doubled."""
    _break_and_compare(
        tmp_path,
        _PLAIN,
        [
            KillHarness(),
            KillTaskManager(),
            KillDuringCheckpoint(),
            KillJobManager(),
            KillDriverWhileSubmitting(),
            BrokerOutage(),
            DamageNewestCheckpoint(),
        ],
    )


def test_processes_are_killed_with_high_availability(tmp_path: pathlib.Path) -> None:
    """The job survives the loss of any process under its own id, and stays exact."""
    with Stage(tmp_path, _HIGHLY_AVAILABLE) as stage:
        job = stage.running_job().id
        for fault in (KillLeader(), KillTaskManager(), KillDriver(), ZooKeeperOutage()):
            strike_and_recover(stage, fault)
        assert job == stage.running_job().id
        strike_and_recover(stage, KillFlink())
        _, verdict = stage.finish()
    assert () == verdict.differences


@pytest.mark.usefixtures("chaos_all")
def test_rarer_faults(tmp_path: pathlib.Path) -> None:
    """A frozen TaskManager, a supervisor killed, no place for checkpoints."""
    _break_and_compare(
        tmp_path,
        _PLAIN,
        [
            FreezeTaskManager(),
            NoPlaceForCheckpoints(),
            KillDriver(),
            KillFlink(),
            KillSupervisor(),
        ],
    )


@pytest.mark.usefixtures("chaos_all")
def test_rarer_faults_with_high_availability(tmp_path: pathlib.Path) -> None:
    """What the other tests do without high availability, and twice what is struck most."""
    _break_and_compare(
        tmp_path,
        _HIGHLY_AVAILABLE,
        [
            FreezeTaskManager(),
            KillHarness(),
            KillDuringCheckpoint(),
            BrokerOutage(),
            NoPlaceForCheckpoints(),
            KillLeader(),
            KillLeader(),
            KillSupervisor(),
        ],
    )


@pytest.mark.usefixtures("chaos_all")
def test_a_broker_of_three_is_lost(tmp_path: pathlib.Path) -> None:
    """Input and results go on with the two that are left."""
    _break_and_compare(tmp_path, _THREE_BROKERS, [LoseBroker()])
