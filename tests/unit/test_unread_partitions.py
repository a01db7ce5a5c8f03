"""Partitions that nobody reads are told; brokers that do not answer are not."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import pytest

from pipeline import unread_partitions as module
from pipeline.config import KafkaConfig
from pipeline.errors import ServiceError
from pipeline.job_record import JobRecord
from pipeline.job_spec import live_parser
from pipeline.live_config import LiveConfig, live_config_from_flags
from pipeline.resume import open_store
from pipeline.unread_partitions import count_partitions, unread_partitions


class Brokers:
    """In the place of `KafkaConnection`: topics with so many partitions; None: no answer."""

    counts: Mapping[str, int] | None = None

    def __init__(self, _: KafkaConfig) -> None:
        pass

    def partitions(self) -> dict[str, list[int]]:
        """As `KafkaConnection`."""
        if self.counts is None:
            raise ServiceError("no broker answers")
        return {topic: list(range(count)) for topic, count in self.counts.items()}


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> LiveConfig:
    """A job of two topics."""
    monkeypatch.setattr(module, "KafkaConnection", Brokers)
    flags = live_parser("test").parse_args(
        [
            "--kafka_bootstrap_servers=localhost:9092",
            "--input_topic=web,shop",
            f"--checkpoint_dir={tmp_path}",
        ]
    )
    return live_config_from_flags(flags)


@pytest.mark.parametrize("counts", [None, {"web": 2, "shop": 1}])
def test_partitions_are_counted(
    counts: dict[str, int] | None, config: LiveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start does not fail for brokers that are away: the job itself waits for them."""
    monkeypatch.setattr(Brokers, "counts", counts)

    assert counts == count_partitions(config.job)


@pytest.mark.parametrize(
    ("then", "now", "grown"),
    [
        ({"web": 2, "shop": 1}, {"web": 2, "shop": 1}, None),
        ({"web": 2, "shop": 1}, {"web": 6, "shop": 2}, "web (4 of 6), shop (1 of 2)"),
        ({"web": 2}, {"web": 2, "shop": 9}, None),
        ({"web": 2}, {"web": 1}, None),
        ({"web": 2}, None, None),
        (None, {"web": 2}, None),
    ],
)
def test_what_came_later_is_told(
    then: dict[str, int] | None,
    now: dict[str, int] | None,
    grown: str | None,
    config: LiveConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By topic, with how many of how many; where nothing is known nothing is said."""
    JobRecord.of(config, partitions=then).write(open_store(config), "errors")
    monkeypatch.setattr(Brokers, "counts", now)

    expected = None
    if grown is not None:
        expected = (
            f"partitions that came after the job's first start are not read: {grown}. "
            "Only a --fresh start reads them."
        )
    assert expected == unread_partitions(config)


def test_a_job_without_a_record(config: LiveConfig) -> None:
    """One of an earlier version."""
    assert unread_partitions(config) is None


def test_a_damaged_record_is_for_the_next_start_to_tell(config: LiveConfig) -> None:
    """A look at how the job is does not fail for it."""
    open_store(config).job("errors").write("job.json", b"{")

    assert unread_partitions(config) is None
