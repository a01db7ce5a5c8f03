"""What is known of topics, without a broker."""

from __future__ import annotations

from pipeline.local.kafka_admin import PartitionInfo, TopicInfo


def test_records_are_counted_from_offsets() -> None:
    """Deleted records at the beginning do not count."""
    topic = TopicInfo("logs", (PartitionInfo(0, 5, 12), PartitionInfo(1, 0, 3)))

    assert 10 == topic.records
