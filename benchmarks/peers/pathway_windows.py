"""Pathway: sliding windows over all that is in the topic; changed counts replace earlier ones."""

from __future__ import annotations

import os
from typing import Any

import pathway as pw

from benchmarks.peers.protocol import WORD, Settings, read_settings, tell

_THREADS_VARIABLE = "PATHWAY_THREADS"


def main(settings: Settings) -> None:
    """Runs to the end of the topic."""
    connection = {
        "bootstrap.servers": settings.servers,
        "group.id": settings.folder,
        "auto.offset.reset": "earliest",
    }
    word = WORD.decode()
    lines = pw.io.kafka.read(
        connection,
        settings.topic,
        format="plaintext",
        mode="static",
        with_metadata=True,
        autogenerate_key=True,
    )
    errors = lines.filter(pw.apply_with_type(lambda line: word in line, bool, pw.this.data)).select(
        time=pw.unwrap(pw.this._metadata["timestamp_millis"].as_int()),
        series=pw.this.key if settings.keyed else "",
    )
    counts = errors.windowby(
        errors.time,
        window=pw.temporal.sliding(hop=settings.slide_ms, duration=settings.window_ms),
        instance=errors.series,
    ).reduce(end=pw.this._pw_window_end, series=pw.this._pw_instance, count=pw.reducers.count())

    def take(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ARG001
        if is_addition:
            tell(row["end"], row["count"], row["series"])

    pw.io.subscribe(counts, on_change=take)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    # Read when the module is loaded where it is run as a program of its own.
    assert os.environ.get(_THREADS_VARIABLE), "how many threads is for the caller to say"
    main(read_settings())
