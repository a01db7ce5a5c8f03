"""Partitions that a topic got after the job began to read it, which Beam's reader does not read.

At the first start every partition of a topic gets a reader, with its position, in the job's state;
a job that goes on does so with these readers (Beam's `UnboundedSourceWrapper`). What was there
then is in the record beside the checkpoints. The native reader finds new ones by itself.
"""

from __future__ import annotations

from pipeline.config import NATIVE_READER, JobConfig
from pipeline.errors import ErrorWindowsError
from pipeline.job_record import JobRecord
from pipeline.kafka_connection import KafkaConnection
from pipeline.live_config import LiveConfig
from pipeline.resume import open_store


def count_partitions(job: JobConfig) -> dict[str, int] | None:
    """How many partitions every topic has that Beam's reader reads; None if brokers do not say."""
    counts: dict[str, int] = {}
    for cluster in job.clusters:
        if cluster.reader == NATIVE_READER:
            continue
        try:
            found = KafkaConnection(cluster).partitions()
        except ErrorWindowsError:
            return None
        counts |= {cluster.source_name(topic): len(numbers) for topic, numbers in found.items()}
    return counts


def unread_partitions(config: LiveConfig) -> str | None:
    """A line about partitions that the job does not read; None if there are none, or who knows."""
    try:
        record = JobRecord.read(open_store(config), config.job.job)
    except ErrorWindowsError:
        return None
    if record is None or not record.partitions:
        return None
    now = count_partitions(config.job) or {}
    grown = [
        f"{topic} ({now[topic] - count} of {now[topic]})"
        for topic, count in record.partitions.items()
        if now.get(topic, 0) > count
    ]
    if not grown:
        return None
    return (
        f"partitions that came after the job's first start are not read: {', '.join(grown)}. "
        "Only a --fresh start reads them."
    )
