"""Where the ledger goes: a file of a bounded run, a folder of a live one, a Kafka topic of both."""

import apache_beam as beam
from apache_beam.transforms import window

from pipeline.appending import AppendFn, local_folder, now_ms
from pipeline.producing import OutgoingRecord, WriteToKafka
from pipeline.sinks import WriteLinesFn
from transforms import metrics
from transforms.ledger import LedgerRow

_FLAG = "--ledger"


class WriteLedger(beam.PTransform):
    """Writes ledger rows as JSON lines into one file, ordered by topic, partition and minute.

    Input: PCollection[LedgerRow], bounded. Output: PCollection[None], empty. The row of a whole
    partition comes after those of its minutes. The file appears under its name when all of it is
    written; an older one is replaced.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(self, rows: beam.PCollection[LedgerRow]) -> beam.PCollection[None]:
        """Applies the transform."""
        return (
            rows
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
            | "GatherLedger" >> beam.combiners.ToList()
            | "WriteLedgerFile"
            >> beam.ParDo(
                WriteLinesFn(self._path, LedgerRow.to_json, _place, metrics.LEDGER_ROWS_WRITTEN)
            )
        )


class WriteLedgerToFolder(beam.PTransform):
    """Appends ledger rows to files in a folder, `ledger-<date>-<writer>.jsonl`.

    Input: PCollection[LedgerRow]. Output: PCollection[None], empty. The date (UTC) is that of
    writing. Of rows with one `id` the last one written is the newest, unless a runner repeated
    it. See `pipeline.appending`.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._fn = AppendFn(
            local_folder(folder, flag=_FLAG),
            "ledger",
            LedgerRow.to_json,
            now_ms,
            metrics.LEDGER_ROWS_WRITTEN,
        )

    def expand(self, rows: beam.PCollection[LedgerRow]) -> beam.PCollection[None]:
        """Applies the transform."""
        return rows | "AppendLedger" >> beam.ParDo(self._fn)


class WriteLedgerToKafka(WriteToKafka):
    """Produces ledger rows to a topic, compacted as that of results: key `id`, value JSON.

    Input: PCollection[LedgerRow], bounded or not. Output: PCollection[None], empty.
    """

    step = "ProduceLedger"
    what = "ledger rows"
    counter_name = metrics.LEDGER_ROWS_WRITTEN

    @staticmethod
    def to_record(element: LedgerRow) -> OutgoingRecord:
        """Key `id`, value JSON."""
        return OutgoingRecord(element.id.encode("utf-8"), element.to_json().encode("ascii"))


def _place(row: LedgerRow) -> tuple[str, int, bool, int]:
    return row.topic, row.partition, row.minute_ms is None, row.minute_ms or 0
