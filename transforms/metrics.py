"""Every Beam counter of the job in one place; names are public, `docs/results.md` lists them."""

from __future__ import annotations

from apache_beam.metrics import Metrics
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.metrics.metricbase import Counter
from apache_beam.runners.runner import PipelineResult

NAMESPACE = "error_windows"
LINES_READ = "lines_read"
ERROR_LINES = "error_lines"
BAD_LINES = "bad_lines"
OVERSIZED_LINES = "oversized_lines"
LINES_OUTSIDE = "lines_outside"
LATE_LINES = "late_lines"
TOO_LATE_LINES = "too_late_lines"
LOST_LINES = "lost_lines"
LINES_OF_OTHER_KEYS = "lines_of_other_keys"
OFFSETS_MISSING = "offsets_missing"
OFFSETS_REPEATED = "offsets_repeated"
TOMBSTONES = "tombstones"
RESULTS_WRITTEN = "results_written"
DEAD_LETTERS_WRITTEN = "dead_letters_written"
LEDGER_ROWS_WRITTEN = "ledger_rows_written"
SILENT_WINDOWS_SKIPPED = "silent_windows_skipped"


def counter(name: str) -> Counter:
    """The counter `error_windows:<name>`."""
    return Metrics.counter(NAMESPACE, name)


def counted(result: PipelineResult) -> dict[str, int]:
    """Counter name to attempted value, summed over steps, for a job that has ended."""
    query = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    totals: dict[str, int] = {}
    for entry in query["counters"]:
        totals[entry.key.metric.name] = totals.get(entry.key.metric.name, 0) + entry.result
    return totals
