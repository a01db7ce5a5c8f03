"""Quix Streams: a hopping window that tells every change, since the last ones never close.

It counts per key, so without keys all lines go through a topic that gives them one key.
"""

from __future__ import annotations

from typing import Any

from quixstreams import Application

from benchmarks.peers.latest import Latest
from benchmarks.peers.protocol import WORD, Settings, read_settings


def main(settings: Settings) -> None:
    """Runs until it is ended."""
    latest = Latest()

    def take(value: dict[str, Any], key: Any, _timestamp: int, _headers: Any) -> None:
        name = key.decode() if isinstance(key, bytes) else str(key)
        latest.take(value["end"], value["value"], name if settings.keyed else "")

    application = Application(
        settings.servers,
        consumer_group=settings.topic,
        auto_offset_reset="earliest",
        state_dir=f"{settings.folder}/state",
        loglevel="WARNING",
    )
    lines = application.dataframe(application.topic(settings.topic, value_deserializer="bytes"))
    errors = lines.filter(lambda line: WORD in line).apply(lambda _: 1)
    if not settings.keyed:
        errors = errors.group_by(lambda _: "all", name="all")
    counts = errors.hopping_window(
        settings.window_ms, settings.slide_ms, grace_ms=settings.lateness_ms
    ).count()
    counts.current().update(take, metadata=True)
    application.run()


if __name__ == "__main__":
    main(read_settings())
