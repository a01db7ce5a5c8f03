"""The schedule of a long run, and its report."""

from __future__ import annotations

import collections
import datetime

import pytest

from tests.chaos.judge import Verdict, differences
from tests.chaos.recovery import Strike
from tests.chaos.report import Run, to_markdown
from tests.chaos.schedule import draw_schedule
from tests.chaos.stage import StageConfig
from tests.reference import reference_results


@pytest.mark.parametrize("high_availability", [True, False])
@pytest.mark.parametrize("kills", [1, 7, 100])
def test_a_schedule_has_so_many_faults_that_fit(kills: int, high_availability: bool) -> None:
    """As many as asked for, and none that the cluster is not made for."""
    schedule = draw_schedule(kills, seed=3, high_availability=high_availability)
    config = StageConfig(high_availability=high_availability)
    assert kills == len(schedule)
    assert all(planned.fault.needs.fits(config) for planned in schedule)


def test_the_same_seed_draws_the_same_schedule() -> None:
    """A run can be repeated, and another seed gives another."""
    schedule = draw_schedule(50, seed=3, high_availability=True)
    assert schedule == draw_schedule(50, seed=3, high_availability=True)
    assert schedule != draw_schedule(50, seed=4, high_availability=True)


def test_every_kind_comes_as_often_as_its_share_says() -> None:
    """A hundred with high availability."""
    schedule = draw_schedule(100, seed=3, high_availability=True)
    kinds = collections.Counter(type(planned.fault).__name__ for planned in schedule)
    expected = {
        "KillHarness": 30,
        "KillTaskManager": 21,
        "KillLeader": 17,
        "KillDriver": 12,
        "KillDuringCheckpoint": 8,
        "ZooKeeperOutage": 4,
        "KillFlink": 3,
        "BrokerOutage": 3,
        "FreezeTaskManager": 2,
    }
    assert expected == kinds


def test_differences_tell_missing_wrong_and_superfluous_windows() -> None:
    """An exact table has none; silent windows beside it are none; each other gives a line."""
    expected = reference_results([(10_000, b"ERROR"), (40_000, b"INFO")])
    silent = expected[-1] | {"id": "errors/*/later", "count": 0, "silence": "no_input"}
    assert [] == differences(expected, [*expected, silent])

    wrong = [expected[0] | {"count": 2}, *expected[2:], silent | {"silence": "no_errors"}]
    assert [
        "errors/*/1970-01-01T00:00:20Z: (2, None), expected (1, None)",
        "errors/*/1970-01-01T00:00:30Z: no result, expected (1, None)",
        "errors/*/later: (0, 'no_errors'), where no line was",
    ] == differences(expected, wrong)


def _run(verdict: Verdict | None, failure: str | None = None) -> Run:
    return Run(
        begin=datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc),
        seconds=600,
        command="python -m tests.chaos --seed=1",
        strikes=[Strike("A killed", 1.0, 4.0), Strike("A killed", 2.0, 8.0), Strike("B", 0, 1)],
        planned=3,
        lines=12_345,
        results=99,
        verdict=verdict,
        failure=failure,
    )


def test_the_report_of_an_exact_run() -> None:
    """It says so, and how long recoveries took, by kind."""
    run = _run(Verdict(windows=77, settle_seconds=1.0, differences=()))
    assert run.exact
    report = to_markdown(run).splitlines()
    assert "| outcome | exact |" in report
    assert "| lines produced | 12,345 |" in report
    assert [
        "| A killed | 2 | 1.5 | 6.0 | 8.0 |",
        "| B | 1 | 0.0 | 1.0 | 1.0 |",
        "| all | 3 | 1.0 | 4.0 | 8.0 |",
    ] == report[-3:]


@pytest.mark.parametrize(
    ("verdict", "failure"),
    [
        (Verdict(windows=77, settle_seconds=1.0, differences=("a: 1, expected 2",)), None),
        (Verdict(windows=77, settle_seconds=1.0, differences=()), "recovery: not in 240 s"),
        (None, None),
    ],
)
def test_the_report_of_a_run_that_is_not_exact(
    verdict: Verdict | None, failure: str | None
) -> None:
    """Neither differences nor an early end are passed over."""
    run = _run(verdict, failure)
    assert not run.exact
    report = to_markdown(run)
    assert "| outcome | NOT EXACT |" in report
    assert all(one in report for one in (verdict.differences if verdict else ()))
    assert failure is None or failure in report
