"""Bytewax with its own Kafka source, as its guide writes it: `bytewax.testing MODULE:flow -p2`."""

from __future__ import annotations

import datetime

from bytewax import operators
from bytewax.connectors.kafka import KafkaSourceMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.connectors.stdio import StdOutSink
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, SlidingWindower, count_window

from benchmarks.peers.protocol import WORD, read_settings

_SETTINGS = read_settings()
_UTC = datetime.timezone.utc
# The key of the total; it cannot count without one.
_ALL = "all"


def _time(message: KafkaSourceMessage) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(message.timestamp[1] / 1000, _UTC)


def _key(message: KafkaSourceMessage) -> str:
    return message.key.decode() if _SETTINGS.keyed else _ALL


def _line(told: tuple[str, tuple[int, int]]) -> str:
    key, (window, count) = told
    # Windows are numbered by their starts from 1970 on.
    end = window * _SETTINGS.slide_ms + _SETTINGS.window_ms
    return f"{end} {count} {key if _SETTINGS.keyed else ''}"


flow = Dataflow("count")
_lines = kafka.input(
    "read", flow, brokers=[_SETTINGS.servers], topics=[_SETTINGS.topic], tail=_SETTINGS.live
)
_errors = operators.filter("filter", _lines.oks, lambda message: WORD in message.value)
_counts = count_window(
    "count",
    _errors,
    EventClock(_time, datetime.timedelta(milliseconds=_SETTINGS.lateness_ms)),
    SlidingWindower(
        datetime.timedelta(milliseconds=_SETTINGS.window_ms),
        datetime.timedelta(milliseconds=_SETTINGS.slide_ms),
        datetime.datetime.fromtimestamp(0, _UTC),
    ),
    _key,
)
operators.output("tell", operators.map("format", _counts.down, _line), StdOutSink())
