"""What a live job inside one process asks of Flink's runner."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.config import config_from_flags
from pipeline.flags import build_parser
from pipeline.live import _options


@pytest.mark.parametrize("reader", ["beam", "native"])
def test_there_are_no_metrics_that_no_one_could_look_at(
    reader: str, tmp_path: pathlib.Path
) -> None:
    """Flink's runner goes through them after every record."""
    flags = build_parser().parse_args(
        ["--kafka_bootstrap_servers=b:9092", "--input_topic=logs", f"--kafka_reader={reader}"]
    )

    options = _options(config_from_flags(flags), 1, "localhost:1", tmp_path / "checkpoints")

    assert options.get_all_options(retain_unknown_options=True)["disable_metrics"] is True
