"""What Flink's runner is told about bundles."""

from __future__ import annotations

import pytest

from pipeline.config import config_from_flags
from pipeline.flags import build_parser
from pipeline.flink_options import runner_options


@pytest.mark.parametrize(
    ("reader", "disable_metrics", "expected"),
    [
        (
            "beam",
            False,
            [
                "--max_bundle_time_mills=150",
                "--auto_watermark_interval=50",
                "--experiments=data_buffer_size_limit=64000",
                "--max_bundle_size=100000",
                "--object_reuse",
                "--finish_bundle_before_checkpointing",
            ],
        ),
        (
            "native",
            True,
            [
                "--max_bundle_time_mills=20",
                "--max_bundle_size=100000",
                "--object_reuse",
                "--finish_bundle_before_checkpointing",
                "--disable_metrics",
            ],
        ),
    ],
)
def test_options_of_each_reader(reader: str, disable_metrics: bool, expected: list[str]) -> None:
    """The native reader ends its calls by itself; bundles would only make them wait."""
    flags = build_parser().parse_args(
        ["--kafka_bootstrap_servers=b:9092", "--input_topic=logs", f"--kafka_reader={reader}"]
    )

    assert expected == runner_options(config_from_flags(flags), disable_metrics=disable_metrics)
