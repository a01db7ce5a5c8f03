"""Lines of JSON logs of many loggers."""

from __future__ import annotations

from tests.log_lines.sample import sample

TEN = "2024-05-01 10:00:00"
TEN_123 = "2024-05-01 10:00:00.123"

SAMPLES = [
    sample('{"level":"error","msg":"boom"}', "ERROR", None, msg="boom", message="boom"),
    # ECS loggers write a key with a dot; Elasticsearch gives it back nested.
    sample(
        '{"@timestamp":"2024-05-01T10:00:00.123Z","log.level":"ERROR","message":"it broke",'
        '"ecs.version":"1.2.0","service.name":"shop","log.logger":"com.example.Cart"}',
        "ERROR",
        TEN_123,
        **{"service.name": "shop", "log.logger": "com.example.Cart", "level": "ERROR"},
    ),
    sample(
        '{"@timestamp":"2024-05-01T10:00:00.123Z","log":{"level":"error","logger":"a.B"},'
        '"message":"INFO it broke","service":{"name":"shop"}}',
        "ERROR",
        TEN_123,
        **{"service.name": "shop", "log.logger": "a.B", "message": "INFO it broke"},
    ),
    sample('{"log.level":" WARN ","message":"ERROR"}', "WARN", None),
    sample('{"level":"INFO ","message":"no ERROR here"}', "INFO", None),
    sample('{"level":"info","message":"x","error_count":0,"tag":"ERROR"}', "INFO", None),
    # pino and bunyan
    sample(
        '{"level":50,"time":1714557600123,"pid":4711,"hostname":"a","msg":"x"}',
        "ERROR",
        TEN_123,
        pid="4711",
        level="ERROR",
    ),
    sample('{"level":30,"time":1714557600123,"msg":"ERROR 50"}', "INFO", TEN_123),
    sample(
        '{"name":"a","hostname":"h","pid":1,"level":60,"msg":"x","time":"2024-05-01T10:00:00.123Z",'
        '"v":0}',
        "CRITICAL",
        TEN_123,
        name="a",
    ),
    sample('{"level":40,"msg":"pino warns"}', "WARN", None),
    # zap, logrus, zerolog, Go's slog
    sample(
        '{"level":"error","ts":1714557600.1234567,"caller":"a.go:12","msg":"x"}',
        "ERROR",
        TEN_123,
        caller="a.go:12",
    ),
    sample('{"level":"dpanic","ts":"2024-05-01T12:00:00.123+0200","msg":"x"}', "CRITICAL", TEN_123),
    sample('{"level":"fatal","time":"2024-05-01T10:00:00Z","msg":"x"}', "CRITICAL", TEN),
    sample('{"time":"2024-05-01T10:00:00.123456789Z","level":"WARN","msg":"x"}', "WARN", TEN_123),
    # Python: python-json-logger, structlog, loguru's numbers
    sample(
        '{"asctime":"2024-05-01 10:00:00,123","levelname":"ERROR","name":"root","message":"x"}',
        "ERROR",
        TEN_123,
        name="root",
    ),
    sample(
        '{"event":"db down","level":"critical","timestamp":"2024-05-01T10:00:00.123456Z"}',
        "CRITICAL",
        TEN_123,
        message="db down",
    ),
    sample('{"levelno":40,"msg":"x","created":1714557600.1}', "ERROR", None, levelno="40"),
    # Google Cloud
    sample(
        '{"severity":"EMERGENCY","message":"x","timestamp":{"seconds":1714557600,"nanos":123456789}}',
        "EMERGENCY",
        TEN_123,
        **{"timestamp.seconds": "1714557600"},
    ),
    sample('{"severity":500,"message":"x"}', "ERROR", None),
    sample('{"severity":"DEFAULT","message":"nothing said"}', None, None, message="nothing said"),
    # Log4j 2, logback, .NET
    sample(
        '{"instant":{"epochSecond":1714557600,"nanoOfSecond":123000000},"thread":"main",'
        '"level":"ERROR","loggerName":"a.B","message":"x"}',
        "ERROR",
        TEN_123,
        loggerName="a.B",
    ),
    sample(
        '{"@timestamp":"2024-05-01T10:00:00.123+00:00","@version":"1","message":"x",'
        '"logger_name":"a.B","level":"ERROR","level_value":40000}',
        "ERROR",
        TEN_123,
        level_value="40000",
    ),
    sample(
        '{"@t":"2024-05-01T10:00:00.1234567Z","@mt":"Hello {Name}","@l":"Fatal","Name":"a"}',
        "CRITICAL",
        TEN_123,
        message="Hello {Name}",
    ),
    # HashiCorp, GELF, MongoDB, journald, OpenTelemetry
    sample(
        '{"@level":"error","@message":"x","@timestamp":"2024-05-01T10:00:00.123456Z"}',
        "ERROR",
        TEN_123,
        message="x",
    ),
    sample(
        '{"version":"1.1","host":"h","short_message":"x","timestamp":1714557600.123,"level":3}',
        "ERROR",
        TEN_123,
        host="h",
        message="x",
    ),
    sample(
        '{"t":{"$date":"2024-05-01T10:00:00.123+00:00"},"s":"E","c":"NETWORK","id":1,"msg":"x"}',
        "ERROR",
        TEN_123,
        c="NETWORK",
    ),
    sample(
        '{"PRIORITY":"3","MESSAGE":"INFO x","__REALTIME_TIMESTAMP":"1714557600123456"}',
        "ERROR",
        TEN_123,
        message="INFO x",
    ),
    sample('{"severityNumber":17,"body":"x","timestamp":1714557600123456789}', "ERROR", TEN_123),
    sample(
        '{"timestamp":"2024-05-01T10:00:00.123456Z","level":"ERROR","fields":{"message":"x"},'
        '"target":"my::app"}',
        "ERROR",
        TEN_123,
        message="x",
        target="my::app",
    ),
    # Times as texts of numbers, in all units.
    sample('{"level":"error","ts":"1714557600"}', "ERROR", TEN),
    sample('{"level":"error","ts":"1714557600123"}', "ERROR", TEN_123),
    sample('{"level":"error","ts":1714557600123456}', "ERROR", TEN_123),
    sample('{"level":"error","ts":"1714557600.123999"}', "ERROR", TEN_123),
    sample('{"level":"error","time":"no time","date":"2024-05-01 10:00:00"}', "ERROR", TEN),
    sample('{"level":"error","time":true}', "ERROR", None),
    # Fields: literal keys before paths, arrays, other types than text.
    sample(
        '{"level":"info","a.b":"literal","a":{"b":"nested","c.d":{"e":1.5}},"l":[{"x":"y"},true],'
        '"n":null,"big":12345678901234567890}',
        "INFO",
        None,
        **{
            "a.b": "literal",
            "a.c.d.e": "1.5",
            "l.0.x": "y",
            "l.1": "true",
            "l.2": None,
            "l.x": None,
            "a": None,
            "n": None,
            "big": "12345678901234567890",
            "nowhere": None,
        },
    ),
    sample(
        '{"level":"error","kubernetes":{"pod":{"name":"cart-7f"},"labels":{"app.kubernetes.io/name":'
        '"cart"}}}',
        "ERROR",
        None,
        **{"kubernetes.pod.name": "cart-7f", "kubernetes.labels.app.kubernetes.io/name": "cart"},
    ),
    # A stack trace in one line, text that is not ASCII.
    sample(
        '{"level":"error","message":"größer\\nCaused by: x\\n\\tat a.B"}',
        "ERROR",
        None,
        message="größer\nCaused by: x\n\tat a.B",
    ),
    sample('  {"level":"error","message":"indented"}\n', "ERROR", None, message="indented"),
    sample('\ufeff{"level":"error"}', "ERROR", None),
    # What a strict parser refuses.
    sample(b'{"level":"error","msg":"\xff"}', "ERROR", None, msg="\ufffd"),
    sample('{"level":"error","value":NaN,"msg":"x"}', "ERROR", None, msg="x"),
    sample('{"level":"error","msg":"\\ud800"}', "ERROR", None, msg="\\ud800"),
    # No JSON logs.
    sample('{"level":"error","msg":"cut off by Dock', None, None, msg=None),
    sample('{"level":"error"} and more', None, None),
    sample('["level","error"]', None, None),
    sample('{"Level":"high","level":null,"n":1}', None, None, n="1"),
]
