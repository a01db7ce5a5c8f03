"""What the benchmarks say of what they have measured; the measuring itself is not run here."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import report, sustained_report
from benchmarks.backlog import Table, Workload, make_variants, windows_of
from benchmarks.experiments import experiments, lines_for, plan
from benchmarks.plot import bars
from benchmarks.running import Told
from benchmarks.systems import BY_NAME, SYSTEMS_THAT_RUN_LIVE, parse_plain, parse_result

_EXPECTED: Table = {(10_000, ""): 4, (20_000, ""): 6}


def _run(system: str, seconds: float, **more: Any) -> report.Run:
    run = {
        "experiment": "throughput",
        "label": "",
        "system": system,
        "lines": 1_000_000,
        "workload": Workload(lines=1_000_000).__dict__,
        "load": 1.5,
        "seconds": seconds,
        "start_seconds": 2.0,
        "exact": True,
        "lost": 0.0,
        "extra": 0.0,
        "cpu_seconds": 5.0,
        "run_cpu_seconds": 3.0,
        "peak_mb": 500,
        "python_peak_mb": 100,
        "end": "complete",
    }
    return {**run, **more}


def _raw(*runs: report.Run) -> dict[str, Any]:
    machine = dict.fromkeys(("processor", "cores", "memory", "system", "python", "java"), "x")
    systems = {"native on Flink": "this job"}
    raw = {"date": "2026-11-25", "machine": machine, "systems": systems, "not_run": {}}
    return {**raw, "runs": list(runs)}


def test_a_window_is_the_sum_of_its_panes() -> None:
    """Three panes of 10 s, the last one of which ends with the window."""
    panes = {(0, "a"): 1, (1, "a"): 2, (1, "b"): 4}

    windows = windows_of(panes, 3, 10_000)

    assert {10_000: 1, 20_000: 3, 30_000: 3, 40_000: 2} == {
        end: count for (end, key), count in windows.items() if key == "a"
    }
    assert {20_000, 30_000, 40_000} == {end for end, key in windows if key == "b"}


def test_lines_are_the_same_every_time_and_as_asked_for() -> None:
    """Length, share of errors and keys come from the workload."""
    workload = Workload(line_bytes=250, error_share=0.5, keys=50)
    variants = make_variants(workload)

    assert variants == make_variants(workload)
    assert {250} == {len(line) for _, line, _ in variants}
    assert 0.5 == pytest.approx(
        sum(is_error for *_, is_error in variants) / len(variants), abs=0.02
    )
    assert 50 == len({key for key, *_ in variants})
    assert all((b"ERROR" in line) == is_error for _, line, is_error in variants)


def test_a_right_table_is_complete_until_it_is_wrong_again() -> None:
    """Later counts replace earlier ones."""
    told = Told(BY_NAME["Flink SQL"], _EXPECTED, keyed=False)
    for line in ("10000 3 ", "20000 6 ", "30000 0 ", "INFO: 7", ""):
        told.take(line)
    assert told.complete_at is None
    assert 0.1 == told.lost()

    told.take("10000 4 ")
    assert told.complete_at is not None

    told.take("30000 5 ")
    assert told.complete_at is None
    assert (0.0, 0.5) == (told.lost(), told.extra())


def test_how_several_counts_of_a_window_come_together() -> None:
    """Of this job's the highest counts; the textbook tells parts, which are added up."""
    job = Told(BY_NAME["native on Flink"], _EXPECTED, keyed=False)
    for count in (4, 3):
        end = "1970-01-01T00:00:10Z"
        job.take(f'{{"window_end":"{end}","key":null,"count":{count}}}')
    textbook = Told(BY_NAME["Beam textbook on Flink"], _EXPECTED, keyed=False)
    for count in (1, 3):
        textbook.take(f"10000 {count} ")

    assert {(10_000, ""): 4} == job.table == textbook.table


def test_the_total_is_left_out_where_keys_are_counted() -> None:
    """This job tells it beside the keys, the others do not."""
    told = Told(BY_NAME["native on Flink"], {(10_000, "a"): 1}, keyed=True)
    told.take('{"window_end":"1970-01-01T00:00:10Z","key":null,"count":3}')
    told.take('{"window_end":"1970-01-01T00:00:10Z","key":"a","count":1}')

    assert told.complete_at is not None


def test_lines_of_output() -> None:
    """Only counts are taken."""
    assert (10_000, "a", 3) == parse_plain("10000 3 a")
    assert (10_000, "", 3) == parse_plain("10000 3 ")
    assert parse_plain("Setting default log level") is None
    line = '{"window_end":"1970-01-01T00:00:10.500Z","key":null,"count":3}'
    assert (10_500, "", 3) == parse_result(line)


def test_the_plan_names_systems_that_there_are() -> None:
    """And a slow one counts fewer lines."""
    variants = plan(3_000_000, 5, 2)

    assert set(BY_NAME) == {name for variant in variants for name in variant.systems}
    assert set(BY_NAME) > set(SYSTEMS_THAT_RUN_LIVE)
    assert "throughput" == experiments()[0]
    assert 150_000 == lines_for("Faust", variants[0].workload).lines


def test_a_wrong_table_has_no_rate() -> None:
    """It is reported as wrong, and comes last."""
    text = report.to_markdown(
        _raw(
            _run("Kafka Streams", 1.0, exact=False, lost=0.25),
            _run("native on Flink", 2.0),
            _run("native on Flink", 4.0),
            _run("bare consumer", 1.0),
        ),
        "performance.svg",
    )

    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows[0].startswith("| bare consumer | 1,000 | 100% |")
    assert rows[1].startswith("| native on Flink | 375 (250-500) | 38% |")
    assert rows[2].startswith("| Kafka Streams | - | - |")
    assert rows[2].endswith("| **wrong**: 25.0% lost |")


def test_one_that_was_given_up_is_not_called_wrong() -> None:
    """It may be slow, no more is known."""
    unfinished = _run("Spark", 598.0, exact=False, lost=0.5, end="timeout")

    text = report.to_markdown(_raw(unfinished), "performance.svg")

    assert text.count("| not done in 600 s |") == 1
    assert "wrong" not in text


def test_what_was_not_run_is_said() -> None:
    """With the reason."""
    raw = {**_raw(_run("bare loop", 1.0)), "not_run": {"Faust": "no such package"}}

    assert "- Faust: no such package" in report.to_markdown(raw, "performance.svg")


def test_files_of_two_machines_do_not_go_together() -> None:
    """Their numbers cannot be compared."""
    other = {**_raw(), "machine": {}}

    with pytest.raises(ValueError, match="different machines"):
        report.merge([_raw(), other])


def test_the_plot_leaves_out_what_was_wrong() -> None:
    """A bar is a rate at which right counts came."""
    plot = report.to_plot(_raw(_run("bare loop", 1.0), _run("Faust", 1.0, exact=False)))

    assert "bare loop" in plot
    assert "Faust" not in plot
    assert plot.count("<rect") == 1
    assert "&lt;" in bars("a < b", [])


def test_quantiles_are_values_that_were_seen() -> None:
    """Of a hundred, 99 are not above p99."""
    values = [float(value) for value in range(1, 101)]

    assert [50, 99, 100] == [sustained_report.quantile(values, one) for one in (0.5, 0.99, 1)]


def test_a_long_backlog_is_about_memory() -> None:
    """The highest of several runs counts."""
    runs = [
        _run("native on Flink", 10.0, experiment="long backlog", python_peak_mb=megabytes)
        for megabytes in (400, 420)
    ]

    page = report.to_markdown(_raw(*runs), "plot.svg")

    assert "1,000,000 lines in 2 partitions, else as above." in page
    assert "| native on Flink | 100 (100-100) | 500 / 420 | exact |" in page
