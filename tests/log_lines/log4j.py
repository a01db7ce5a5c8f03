"""Lines of log4j, logback, Python's logging and the programs that write alike."""

from __future__ import annotations

from tests.log_lines.sample import sample

TEN = "2024-05-01 10:00:00"
TEN_123 = "2024-05-01 10:00:00.123"

SAMPLES = [
    sample(
        "2021-05-08 15:43:31,076 ERROR [main] com.example.App - it broke",
        "ERROR",
        "2021-05-08 15:43:31.076",
        thread="main",
        logger="com.example.App",
        message="it broke",
    ),
    sample(
        "2024-05-01 10:00:00,123 INFO  [main] com.example.App - all is well, no ERROR",
        "INFO",
        TEN_123,
        message="all is well, no ERROR",
    ),
    sample(
        "10:15:30.123 [main] ERROR c.e.App - it broke",
        "ERROR",
        "2024-05-01 10:15:30.123",
        thread="main",
        logger="c.e.App",
        message="it broke",
    ),
    sample(
        "10:15:30.123 [kafka-producer-network-thread | producer-1] WARN  o.a.k.c.NetworkClient - "
        "[Producer clientId=producer-1] Connection to node -1 could not be established.",
        "WARN",
        "2024-05-01 10:15:30.123",
        thread="kafka-producer-network-thread | producer-1",
        logger="o.a.k.c.NetworkClient",
    ),
    sample(
        "[2024-05-01 10:00:00,123] ERROR [KafkaServer id=0] Fatal error during startup "
        "(kafka.server.KafkaServer)",
        "ERROR",
        TEN_123,
        logger="kafka.server.KafkaServer",
        message="[KafkaServer id=0] Fatal error during startup",
    ),
    sample(
        "[2024-05-01 10:00:00,123] INFO started, ERROR_COUNT=0 (kafka.server.KafkaServer)",
        "INFO",
        TEN_123,
        logger="kafka.server.KafkaServer",
        message="started, ERROR_COUNT=0",
    ),
    sample("ERROR:root:it broke", "ERROR", None, logger="root", message="it broke"),
    sample("WARNING:py.warnings:a: b", "WARN", None, logger="py.warnings", message="a: b"),
    sample(
        "2024-05-01 10:00:00,123 - my.module - ERROR - it broke",
        "ERROR",
        TEN_123,
        logger="my.module",
        message="it broke",
    ),
    sample(
        "2024-05-01 10:00:00,123 - my.module - INFO - retry after ERROR - done",
        "INFO",
        TEN_123,
        logger="my.module",
        message="retry after ERROR - done",
    ),
    sample(
        "2024-05-01T10:00:00.123Z ERROR 1 --- [main] c.e.App                  : it broke",
        "ERROR",
        TEN_123,
        pid="1",
        thread="main",
        logger="c.e.App",
        message="it broke",
    ),
    sample(
        "2024-05-01T12:00:00.123+02:00  INFO 4711 --- [shop] [nio-8080-exec-1] o.s.web.Servlet : x",
        "INFO",
        TEN_123,
        pid="4711",
        thread="nio-8080-exec-1",
        logger="o.s.web.Servlet",
        message="x",
    ),
    # Log4j's own status, Spark, ZooKeeper, Elasticsearch
    sample(
        "2024-05-01 10:00:00,123 main ERROR Unable to locate appender",
        "ERROR",
        TEN_123,
        logger="main",
        message="Unable to locate appender",
    ),
    sample(
        "24/05/01 10:00:00 ERROR Executor: Exception in task 0.0 in stage 1.0",
        "ERROR",
        TEN,
        logger="Executor",
        message="Exception in task 0.0 in stage 1.0",
    ),
    sample(
        "2024-05-01 10:00:00,123 [myid:1] - ERROR [main:QuorumPeerMain@99] - Unexpected exception",
        "ERROR",
        TEN_123,
        thread="myid:1",
    ),
    sample(
        "[2024-05-01T10:00:00,123][ERROR][o.e.b.Bootstrap          ] [node-1] Exception",
        "ERROR",
        TEN_123,
        logger="o.e.b.Bootstrap",
        thread="node-1",
        message="Exception",
    ),
    sample("[2024-05-01T10:00:00,123][INFO ][o.e.n.Node] [node-1] started", "INFO", TEN_123),
    # nginx, PostgreSQL, MySQL
    sample(
        '2024/05/01 10:00:00 [error] 31#31: *1 open() "/srv/x" failed (2: No such file)',
        "ERROR",
        TEN,
        message='31#31: *1 open() "/srv/x" failed (2: No such file)',
    ),
    sample("2024/05/01 10:00:00 [warn] 31#31: ERROR page missing", "WARN", TEN),
    sample(
        '2024-05-01 10:00:00.123 UTC [1234] raj@shop ERROR:  relation "x" does not exist',
        "ERROR",
        TEN_123,
        pid="1234",
        message='relation "x" does not exist',
    ),
    sample("2024-05-01 10:00:00.123 UTC [1234] LOG:  ERROR rate is low", "INFO", TEN_123),
    sample("2024-05-01T10:00:00.123456Z 0 [ERROR] [MY-010119] [Server] Aborting", "ERROR", TEN_123),
    # Monolog, gunicorn, Celery, Airflow
    sample(
        '[2024-05-01 10:00:00] production.ERROR: it broke {"a":1}',
        "ERROR",
        TEN,
        logger="production",
        message='it broke {"a":1}',
    ),
    sample(
        "[2024-05-01 10:00:00 +0000] [1234] [ERROR] Worker failed to boot",
        "ERROR",
        TEN,
        pid="1234",
        message="Worker failed to boot",
    ),
    sample(
        "[2024-05-01 10:00:00,123: ERROR/MainProcess] Task failed",
        "ERROR",
        TEN_123,
        thread="MainProcess",
        message="Task failed",
    ),
    sample(
        "[2024-05-01, 10:00:00 UTC] {taskinstance.py:1824} ERROR - Task failed",
        "ERROR",
        TEN,
        message="Task failed",
    ),
    # zap, env_logger, NLog, klog, Maven, .NET, Go
    sample("2024-05-01T10:00:00.123Z\tERROR\tpkg/x.go:12\tit broke", "ERROR", TEN_123),
    sample("2024-05-01T10:00:00.123Z\tinfo\tpkg/x.go:12\tno ERROR", "INFO", TEN_123),
    sample(
        "[2024-05-01T10:00:00Z ERROR my::module] it broke",
        "ERROR",
        TEN,
        logger="my::module",
        message="it broke",
    ),
    sample(
        "2024-05-01 10:00:00.1234|ERROR|App.Program|it broke",
        "ERROR",
        TEN_123,
        logger="App.Program",
        message="it broke",
    ),
    sample(
        "E0501 10:00:00.123456    1234 reflector.go:138] Failed to watch",
        "ERROR",
        TEN_123,
        pid="1234",
        source="reflector.go:138",
        message="Failed to watch",
    ),
    sample("I0501 10:00:00.123456    1234 x.go:1] saw an ERROR", "INFO", TEN_123),
    sample("[ERROR] Failed to execute goal", "ERROR", None, message="Failed to execute goal"),
    sample("[INFO] 3 tests, ERROR 0", "INFO", None),
    sample("ERROR 2024-05-01 10:00:00,123 [main] a.B - x", "ERROR", TEN_123, logger="a.B"),
    sample("fail: Microsoft.AspNetCore.Server.Kestrel[13]", "ERROR", None),
    sample("panic: runtime error: index out of range [5]", "CRITICAL", None),
    sample("FATAL - cannot go on", "CRITICAL", None, message="cannot go on"),
    sample("SEVERE: Exception starting filter", "ERROR", None),
    sample("2024-05-01 10:00:00 \x1b[31mERROR\x1b[0m [main] a.B - x", "ERROR", TEN, logger="a.B"),
    sample("\x1b[32mINFO\x1b[0m no ERROR", "INFO", None, message="no ERROR"),
    # No level: prose, names, other programs.
    sample("2024-05-01 10:00:00 disk error on sda", None, TEN),
    sample("2024-05-01 10:00:00 error rate is 0 %", None, TEN),
    sample("2024-05-01 10:00:00 ERROR_COUNT=0", None, TEN),
    sample("ERROR_COUNT=0", None, None),
    sample("Error: a stack trace of Node.js follows", None, None),
    sample("error in the text", None, None),
    sample("\tat com.example.App.main(App.java:12)", None, None),
]
