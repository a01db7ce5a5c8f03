"""Lines in the envelopes of shippers and container runtimes, and what only looks like one."""

from __future__ import annotations

from tests.log_lines.sample import sample

TEN_123 = "2024-05-01 10:00:00.123"
NINE = "2024-05-01 09:59:59.500"

SAMPLES = [
    sample(
        '{"@timestamp":"2024-05-01T10:00:00.123Z","message":"2024-05-01 09:59:59,500 ERROR [main] '
        'a.B - it broke","log":{"offset":17,"file":{"path":"/var/log/a.log"}},'
        '"host":{"name":"h1"}}',
        "ERROR",
        NINE,
        message="it broke",
        logger="a.B",
        **{"host.name": "h1", "log.file.path": "/var/log/a.log"},
    ),
    sample(
        '{"@timestamp":"2024-05-01T10:00:00.123Z","message":"[INFO] no time, no ERROR"}',
        "INFO",
        TEN_123,
        message="no time, no ERROR",
    ),
    sample(
        '{"@timestamp":"2024-05-01T10:00:00.123Z","message":"text with an ERROR"}',
        None,
        TEN_123,
        message="text with an ERROR",
    ),
    sample(
        '{"@timestamp":"2024-05-01T10:00:00.123Z","log.level":"info","message":"ERROR in text"}',
        "INFO",
        TEN_123,
        message="ERROR in text",
    ),
    sample(
        '{"log":"{\\"level\\":\\"error\\",\\"msg\\":\\"x\\"}\\n","stream":"stderr",'
        '"time":"2024-05-01T10:00:00.123456789Z"}',
        "ERROR",
        TEN_123,
        message="x",
        stream="stderr",
    ),
    sample(
        '{"log":"10:15:30.123 [main] WARN  a.B - x\\r\\n","stream":"stdout",'
        '"time":"2024-05-01T10:15:31Z"}',
        "WARN",
        "2024-05-01 10:15:30.123",
        thread="main",
        stream="stdout",
    ),
    sample(
        '{"log":"\\tat a.B.c(B.java:1)\\n","stream":"stderr","time":"2024-05-01T10:00:00.123Z"}',
        None,
        TEN_123,
        message="\tat a.B.c(B.java:1)",
    ),
    sample(
        "2024-05-01T10:00:00.123456789Z stderr F level=error msg=x",
        "ERROR",
        TEN_123,
        message="x",
        stream="stderr",
        logtag="F",
    ),
    sample(
        "2024-05-01T12:00:00.123456789+02:00 stdout P no format, ERROR",
        None,
        TEN_123,
        message="no format, ERROR",
        logtag="P",
    ),
    sample(
        '2024-05-01T10:00:00.123Z stdout F {"level":"warn","stream":"mine"}',
        "WARN",
        TEN_123,
        stream="mine",
    ),
    sample(
        '{"message":"2024-05-01T10:00:00.123Z stderr F [Wed May 01 09:59:59.5 2024] [core:crit] '
        '[pid 1] x","kubernetes":{"pod":{"name":"p"}}}',
        "CRITICAL",
        NINE,
        module="core",
        stream="stderr",
        **{"kubernetes.pod.name": "p"},
    ),
    sample(
        '{"message":"<11>May  1 09:59:59 web1 app: x","host":"shipper"}',
        "ERROR",
        "2024-05-01 09:59:59",
        host="web1",
    ),
    sample('{"message":"","other":"ERROR"}', None, None, message="", other="ERROR"),
    sample('{"message":{"text":"level=error"}}', None, None, **{"message.text": "level=error"}),
]
