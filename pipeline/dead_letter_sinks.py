"""Where dead letters go: a file of a bounded run, a folder of a live one, a Kafka topic of both."""

import apache_beam as beam
from apache_beam.transforms import window

from pipeline.appending import AppendFn, local_folder, now_ms
from pipeline.dead_letter_json import dead_letter_to_json, dead_letter_to_kafka
from pipeline.producing import OutgoingRecord, WriteToKafka
from pipeline.sinks import WriteLinesFn
from transforms import metrics
from transforms.dead_letters import DeadLetter

_FLAG = "--dead_letter"


class WriteDeadLetters(beam.PTransform):
    """Writes dead letters as JSON lines into one file, ordered by topic, partition and offset.

    Input: PCollection[DeadLetter], bounded. Output: PCollection[None], empty. The file appears
    under its name when all of it is written, also when there are none (then it is empty); an
    older one is replaced. All are held in memory at once.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(self, letters: beam.PCollection[DeadLetter]) -> beam.PCollection[None]:
        """Applies the transform."""
        return (
            letters
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
            | "GatherDeadLetters" >> beam.combiners.ToList()
            | "WriteDeadLettersFile"
            >> beam.ParDo(
                WriteLinesFn(self._path, dead_letter_to_json, _place, metrics.DEAD_LETTERS_WRITTEN)
            )
        )


class WriteDeadLettersToFolder(beam.PTransform):
    """Appends dead letters to files in a folder, `dead-letters-<date>-<writer>.jsonl`.

    Input: PCollection[DeadLetter]. Output: PCollection[None], empty. The date (UTC) is that of
    writing: the times of records that could not be used may be anything, and would make files
    without end. See `pipeline.appending`.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._fn = AppendFn(
            local_folder(folder, flag=_FLAG),
            "dead-letters",
            dead_letter_to_json,
            now_ms,
            metrics.DEAD_LETTERS_WRITTEN,
        )

    def expand(self, letters: beam.PCollection[DeadLetter]) -> beam.PCollection[None]:
        """Applies the transform."""
        return letters | "AppendDeadLetters" >> beam.ParDo(self._fn)


class WriteDeadLettersToKafka(WriteToKafka):
    """Produces dead letters to a topic, as they were and with headers that say why.

    Input: PCollection[DeadLetter], bounded or not. Output: PCollection[None], empty. The time of
    a record is that of writing, so that a forged one cannot expire it.
    """

    step = "ProduceDeadLetters"
    what = "dead letters"
    counter_name = metrics.DEAD_LETTERS_WRITTEN

    @staticmethod
    def to_record(element: DeadLetter) -> OutgoingRecord:
        """The record's own key, value and headers, and headers of ours."""
        return OutgoingRecord(*dead_letter_to_kafka(element))


def _place(letter: DeadLetter) -> tuple[str, int, int]:
    return letter.record.topic, letter.record.partition, letter.record.offset
