"""Real log lines of all formats, with level, time and fields as a person reads them."""

from tests.log_lines import apache, envelopes, json_lines, log4j, logfmt, syslog
from tests.log_lines.sample import REFERENCE_MS, Sample, at

BY_FORMAT = {
    "apache": apache.SAMPLES,
    "json": json_lines.SAMPLES,
    "log4j": log4j.SAMPLES,
    "logfmt": logfmt.SAMPLES,
    "syslog": syslog.SAMPLES,
    "envelopes": envelopes.SAMPLES,
}
ALL = [sample for samples in BY_FORMAT.values() for sample in samples]

__all__ = ["ALL", "BY_FORMAT", "REFERENCE_MS", "Sample", "at"]
