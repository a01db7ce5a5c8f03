"""Beam's DirectRunner for bounded reads, which says meanwhile how far it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    ExtendedProvisionInfo,
    FnApiRunner,
    ProgressRequester,
)
from apache_beam.runners.portability.fn_api_runner.worker_handlers import EmbeddedWorkerHandler
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from pipeline.read_progress import Reading, reading_of
from transforms.batches import Batch, RecordBatch
from transforms.state_sampling import sample_often

_LOCAL_RUNNERS = ("DirectRunner", "FnApiRunner")
_ASK_SECONDS = 1.0
_COUNT = "beam:metric:element_count:v1"
# What the connector's reading step gives: "out0" of it are the records.
_RECORDS = ("KafkaIO.ReadSourceDescriptors", ".out0")


def local_runner(options: PipelineOptions, reading: Reading) -> FnApiRunner | None:
    """The runner for a pipeline in this process; None if the options name another one.

    Beam's own choice for `DirectRunner` would be Prism, where a graph has no Java in it: a program
    that it downloads, and that was seen to drop data of the native reader (docs/readers.md).
    """
    name = options.view_as(StandardOptions).runner or "DirectRunner"
    if name.rpartition(".")[2] not in _LOCAL_RUNNERS:
        return None
    sample_often()
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return _TellingRunner(ExtendedProvisionInfo(provision), reading)


def telling(sources: Mapping[str, beam.PTransform], reading: Reading) -> dict[str, beam.PTransform]:
    """The same sources, which say what they give."""
    return {
        name: source | "SayHowFar" >> beam.ParDo(_TellFn(name, reading.number))
        for name, source in sources.items()
    }


@beam.typehints.with_input_types(Any)
@beam.typehints.with_output_types(RecordBatch)
class _TellFn(beam.DoFn):
    """Costs a batch a microsecond or two, and each of its records nothing."""

    def __init__(self, source: str, number: int) -> None:
        self._source = source
        self._number = number

    def setup(self) -> None:
        self._reading = reading_of(self._number)

    def process(self, element: Batch) -> Iterable[Batch]:
        if self._reading is not None:
            offsets = element.offsets
            place = (self._source, element.topic, element.partition)
            self._reading.takes(place, offsets[0], offsets[-1], len(offsets))
        return (element,)


class _TellingRunner(FnApiRunner):
    """Asks Java, which runs in another process, once a second what it has read."""

    def __init__(self, provision: ExtendedProvisionInfo, reading: Reading) -> None:
        super().__init__(provision_info=provision, progress_request_frequency=_ASK_SECONDS)
        self._reading = reading

    def run_stages(self, *arguments: Any, **options: Any) -> Any:
        """Runs the pipeline."""
        with _asked(self._reading):
            return super().run_stages(*arguments, **options)


@contextlib.contextmanager
def _asked(reading: Reading) -> Iterator[None]:
    """Lets Beam's requests for progress end up in `reading`.

    Beam makes them, takes a callback for the answers, and offers no way to name it.
    """
    read: dict[str, int] = {}

    def requester(worker: Any, instruction: str, frequency: float) -> ProgressRequester:
        def told(answer: Any) -> None:
            records = records_read(answer.monitoring_infos)
            if records:
                read[instruction] = records
                reading.has_read(sum(read.values()))

        # What runs in this process tells by itself, and would not answer while it is busy.
        asked = None if isinstance(worker, EmbeddedWorkerHandler) else frequency
        return ProgressRequester(worker, instruction, asked, told)

    original: Callable[..., ProgressRequester] = fn_runner.ProgressRequester
    fn_runner.ProgressRequester = requester
    try:
        yield
    finally:
        fn_runner.ProgressRequester = original


def records_read(infos: Iterable[Any]) -> int:
    """How many records Beam's connector has read, by what the Java worker tells of its steps."""
    part, output = _RECORDS
    return sum(
        _varint(info.payload)
        for info in infos
        if info.urn == _COUNT
        and part in info.labels.get("PCOLLECTION", "")
        and info.labels["PCOLLECTION"].endswith(output)
    )


def _varint(data: bytes) -> int:
    value = 0
    for position, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * position)
    return value
