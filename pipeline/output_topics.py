"""Makes the topics that a job writes to, before it starts."""

from __future__ import annotations

import sys

from pipeline.config import KAFKA_OUTPUT, JobConfig


def prepare_topics(config: JobConfig, *, results: str | None = None) -> None:
    """Makes those of results, dead letters and ledger that are not there, on the first cluster.

    What is to be noted of those that are there is printed on stderr.

    Args:
      config: of the job; says where dead letters and ledger go.
      results: the topic of results, None if they go elsewhere.

    Raises:
      ServiceError, UsageError: one cannot be made.
    """
    # Here, because the client takes a moment to load and most jobs write to no topic.
    from pipeline.dead_letter_topic import ensure_dead_letter_topic
    from pipeline.results_topic import ensure_results_topic

    properties = config.kafka.properties
    notes = []
    dead_letters, ledger = _topic(config.output.dead_letter), _topic(config.output.ledger)
    if dead_letters is not None:
        notes.append(ensure_dead_letter_topic(dead_letters, properties))
    if ledger is not None:
        notes.append(ensure_results_topic(ledger, properties, flag="--ledger"))
    if results is not None:
        notes.append(ensure_results_topic(results, properties))
    for note in filter(None, notes):
        print(f"note: {note}", file=sys.stderr)


def _topic(place: str | None) -> str | None:
    if place is None or not place.startswith(KAFKA_OUTPUT):
        return None
    return place.removeprefix(KAFKA_OUTPUT)
