"""Faust: an agent, and a hopping table in memory, whose counts are told once a second."""

from __future__ import annotations

import faust

from benchmarks.peers.latest import Latest
from benchmarks.peers.protocol import WORD, read_settings

_SETTINGS = read_settings()
_ALL = "all"

app = faust.App(
    _SETTINGS.topic,
    broker=f"kafka://{_SETTINGS.servers}",
    store="memory://",
    datadir=f"{_SETTINGS.folder}/faust",
    topic_partitions=_SETTINGS.partitions,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
_lines = app.topic(_SETTINGS.topic, value_serializer="raw", key_serializer="raw", value_type=bytes)
_counts = app.Table("counts", default=int, partitions=_SETTINGS.partitions).hopping(
    _SETTINGS.window_ms / 1000, _SETTINGS.slide_ms / 1000
)
_latest = Latest()


@app.agent(_lines)
async def count(lines: faust.StreamT) -> None:
    """Counts error lines in all windows that they are in."""
    async for event in lines.events():
        if WORD in event.value:
            key = event.key.decode() if _SETTINGS.keyed else _ALL
            _counts[key] += 1
            for window in _counts.table.window.ranges(event.message.timestamp):
                end_ms = round(window[0] * 1000) + _SETTINGS.window_ms
                _latest.take(end_ms, _counts.table.data[key, window], "" if key == _ALL else key)


if __name__ == "__main__":
    app.main()
