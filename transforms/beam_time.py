"""Times of ours as Beam's."""

from apache_beam.utils.timestamp import Timestamp


def timestamp_of(time_ms: int) -> Timestamp:
    """The Beam timestamp of milliseconds since the epoch."""
    return Timestamp(micros=time_ms * 1000)


def milliseconds_of(timestamp: Timestamp) -> int:
    """Whole milliseconds since the epoch of a Beam timestamp."""
    return int(timestamp.micros // 1000)
