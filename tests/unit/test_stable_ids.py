"""Ids of the live job's graph, which Flink finds its timers by."""

from __future__ import annotations

import pathlib

import apache_beam as beam
import pytest

from pipeline.config import config_from_flags
from pipeline.flags import build_parser
from pipeline.graph import build_live_graph
from pipeline.live_sinks import WriteResultsToFolder, WriteSamplesToFolder
from pipeline.stable_ids import StableIds
from transforms.batches import RecordBatch, batch_of
from transforms.records import Record


class Lines(beam.PTransform):
    """Takes the place of the Kafka connector, which only Java can expand."""

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[RecordBatch]:
        """One record."""
        return begin.pipeline | beam.Create([batch_of([Record("logs", 0, 0, 0, None, b"x")])])


def transforms(folder: pathlib.Path, *arguments: str) -> dict[str, str]:
    """Full label to id of every transform of a live job's graph."""
    flags = build_parser().parse_args(["--kafka_bootstrap_servers=a:1", *arguments])
    config = config_from_flags(flags)
    pipeline = beam.Pipeline()
    pipeline.component_id_map = StableIds()
    outputs = build_live_graph(pipeline, config, {topic: Lines() for topic in config.kafka.topics})
    _ = outputs.results | "WriteResults" >> WriteResultsToFolder(str(folder))
    if outputs.samples is not None:
        _ = outputs.samples | "WriteSamples" >> WriteSamplesToFolder(str(folder))
    proto = pipeline.to_runner_api(use_fake_coders=False)
    return {transform.unique_name: id_ for id_, transform in proto.components.transforms.items()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--input_topic=logs"],
        ["--input_topic=a,logs,z"],
        ["--input_topic=logs", "--samples=0"],
        ["--input_topic=logs", "--contains=WARN", "--allowed_lateness_seconds=5"],
        ["--input_topic=logs", "--group_by=service", "--early_seconds=2"],
    ],
)
def test_ids_stay_when_other_parts_come_or_go(tmp_path: pathlib.Path, arguments: list[str]) -> None:
    """A topic more, no samples, another filter: what both graphs have has the same id."""
    before = transforms(tmp_path, "--input_topic=logs")

    after = transforms(tmp_path, *arguments)

    both = set(before) & set(after)
    assert {label: before[label] for label in both} == {label: after[label] for label in both}
    assert {"SlidingWindows/Settle", "FilterErrorLines[logs]/Count"} <= both


def test_the_ids_of_what_flink_keeps_are_these(tmp_path: pathlib.Path) -> None:
    """A later version that changes one of them could not go on from any checkpoint."""
    ids = transforms(tmp_path, "--input_topic=logs")

    expected = {
        "ClosePanes/Close": "ref_ClosePanes-Close_e31a0dd92c81",
        "KeepLedger/Keep": "ref_KeepLedger-Keep_4ab28279d72a",
        "SampleErrorLines/First/CombinePerKey/GroupByKey": (
            "ref_SampleErrorLines-First-CombinePerKey-GroupByKey_73c0c2a01876"
        ),
        "SlidingWindows/Settle": "ref_SlidingWindows-Settle_7af35e75464f",
    }
    assert expected == {label: ids[label] for label in expected}


def test_every_transform_has_an_id_of_its_own(tmp_path: pathlib.Path) -> None:
    """Also where labels differ in what ids cannot hold, or behind their first characters."""
    ids = transforms(tmp_path, "--input_topic=a.b,a-b,a_b," + "x" * 100 + "," + "x" * 101)

    assert len(ids) == len(set(ids.values()))
    assert all(len(id_) <= 80 for id_ in ids.values())


def test_everything_else_is_numbered_as_usual() -> None:
    """A pipeline's coders and windowing strategies have no labels."""
    ids = StableIds()

    first, second = ids.get_or_assign("a", str, "x"), ids.get_or_assign("b", str, "x")

    assert ("ref_str_x_1", "ref_str_x_2") == (first, second)
    assert first == ids.get_or_assign("a", str, "x")
