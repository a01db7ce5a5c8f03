"""Lines of logfmt."""

from __future__ import annotations

from tests.log_lines.sample import sample

TEN_123 = "2024-05-01 10:00:00.123"

SAMPLES = [
    sample(
        'ts=2024-05-01T10:00:00.123Z level=error msg="db down" host=a',
        "ERROR",
        TEN_123,
        message="db down",
        host="a",
    ),
    sample(
        'time="2024-05-01T10:00:00.123Z" level=warning msg="said \\"ERROR\\"\\n\\tand \\\\"',
        "WARN",
        TEN_123,
        message='said "ERROR"\n\tand \\',
    ),
    sample('level=info msg="x level=error y"', "INFO", None, message="x level=error y"),
    sample('msg="x level=error y" level=info', "INFO", None),
    sample('msg="x level=error y"', None, None, msg="x level=error y"),
    sample("msg=x level=info level=error", "INFO", None),
    sample("loglevel=error msg=x", "ERROR", None),
    sample('lvl=eror msg="log15 shortens" t=2024-05-01T10:00:00.123Z', "ERROR", TEN_123),
    sample('level="ERROR " msg=padded', "ERROR", None, level="ERROR"),
    sample("level=info error_count=0 ERROR_COUNT=0", "INFO", None, ERROR_COUNT="0"),
    sample("level=error retry user= ok", "ERROR", None, retry="true", user="", ok="true"),
    sample('at=error code=H12 desc="Request timeout" method=GET', "ERROR", None, code="H12"),
    sample('msg="caf\\u00e9" severity=CRITICAL', "CRITICAL", None, msg="café"),
    sample(
        "ts=1714557600.123 caller=main.go:12 level=debug component=tsdb",
        "DEBUG",
        TEN_123,
        caller="main.go:12",
        component="tsdb",
    ),
    sample("a.b=c a/b=d level=fatal", "CRITICAL", None, **{"a.b": "c", "a/b": "d"}),
    sample('level=error msg="never closed', "ERROR", None),
    sample("key=value and then prose with ERROR in it", None, None, key="value", ERROR="true"),
    sample("level=high priority=1", None, None, level="high"),
    sample(b"level=error msg=\xff\xfe", "ERROR", None, msg="\\xff\\xfe"),
    sample("1=2 level=error", None, None),
]
