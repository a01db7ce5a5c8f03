"""Lines of syslog: the examples of RFC 3164 and RFC 5424, and what daemons and devices send."""

from __future__ import annotations

from tests.log_lines.sample import sample

TEN = "2024-05-01 10:00:00"
TEN_123 = "2024-05-01 10:00:00.123"

SAMPLES = [
    sample(
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        "CRITICAL",
        "2024-10-11 22:14:15",
        host="mymachine",
        app="su",
        pid=None,
        facility="4",
        severity="2",
        message="'su root' failed for lonvick on /dev/pts/8",
    ),
    sample(
        "<11>May  1 10:00:00 web1 app[4711]: it broke",
        "ERROR",
        TEN,
        host="web1",
        app="app",
        pid="4711",
        facility="1",
        severity="3",
        message="it broke",
    ),
    sample("<14>May  1 10:00:00 web1 app[1]: ERROR says the text", "INFO", TEN),
    sample("<8>May  1 10:00:00 web1 app: x", "EMERGENCY", TEN),
    sample("<9>May  1 10:00:00 web1 app: x", "ALERT", TEN),
    sample("<10>May  1 10:00:00 web1 app: x", "CRITICAL", TEN),
    sample("<12>May  1 10:00:00 web1 app: x", "WARN", TEN),
    sample("<13>May  1 10:00:00 web1 app: x", "NOTICE", TEN),
    sample("<15>May  1 10:00:00 web1 app: x", "DEBUG", TEN),
    sample("<0>Kernel panic", "EMERGENCY", None, facility="0", message="Kernel panic"),
    sample("<011>May  1 10:00:00 web1 app: zeros in front", "ERROR", TEN),
    sample("<191>May  1 10:00:00 web1 app: x", "DEBUG", TEN, facility="23"),
    sample("<192>May  1 10:00:00 web1 app: no such number", None, None, host=None),
    sample("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", "NOTICE", "2024-02-05 17:32:18"),
    sample(
        "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.",
        "NOTICE",
        "2024-08-24 05:34:00",
    ),
    sample("<189>29: *May 1 10:00:00.123: %SYS-5-CONFIG_I: Configured", "NOTICE", None),
    sample("<3>May 31 10:00:00 fw ERROR_COUNT=0", "ERROR", "2024-05-31 10:00:00"),
    # The year is the one nearest to when the line was read, 1 May 2024.
    sample("<11>Dec 31 23:59:59 web1 app: x", "ERROR", "2023-12-31 23:59:59"),
    sample(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
        "\ufeff'su root' failed for lonvick on /dev/pts/8",
        "CRITICAL",
        "2003-10-11 22:14:15.003",
        version="1",
        host="mymachine.example.com",
        app="su",
        pid=None,
        msgid="ID47",
        message="'su root' failed for lonvick on /dev/pts/8",
    ),
    sample(
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time",
        "NOTICE",
        "2003-08-24 12:14:15",
        pid="8710",
        msgid=None,
        message="%% It's time",
    ),
    sample(
        "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 "
        'iut="3" eventSource="Application" eventID="1011"] \ufeffAn application event log entry...',
        "NOTICE",
        "2003-10-11 22:14:15.003",
        message="An application event log entry...",
        **{"exampleSDID@32473.iut": "3", "exampleSDID@32473.eventSource": "Application"},
    ),
    sample(
        "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 "
        'iut="3" eventID="1011"][examplePriority@32473 class="high"]',
        "NOTICE",
        "2003-10-11 22:14:15.003",
        message="",
        **{"exampleSDID@32473.eventID": "1011", "examplePriority@32473.class": "high"},
    ),
    sample(
        r'<11>1 2024-05-01T10:00:00.123Z h a 1 - [x@1 q="say \"hi\" \\ \] ERROR" e=""][y@1] end',
        "ERROR",
        TEN_123,
        message="end",
        **{"x@1.q": 'say "hi" \\ ] ERROR', "x@1.e": ""},
    ),
    sample("<11>1 - - - - - - only a message", "ERROR", None, host=None, message="only a message"),
    sample(
        '<11>1 2024-05-01T10:00:00Z h a 1 - [broken x="1" end',
        "ERROR",
        TEN,
        message='[broken x="1" end',
    ),
    sample("82 <11>1 2024-05-01T10:00:00Z h a - - - framed by its length", "ERROR", TEN, host="h"),
    # Without a number, as in /var/log: the message may say the level.
    sample(
        "May  1 10:00:00 web1 app[12]: ERROR db down",
        "ERROR",
        TEN,
        host="web1",
        app="app",
        pid="12",
        message="db down",
    ),
    sample(
        'May  1 10:00:00 web1 app[12]: level=warn msg="db slow" host=db7',
        "WARN",
        TEN,
        host="db7",
        app="app",
        message="db slow",
    ),
    sample('May  1 10:00:00 web1 app: {"level":"info","msg":"no ERROR"}', "INFO", TEN, app="app"),
    sample(
        "May  1 10:00:00 web1 sshd[99]: error: kex_exchange_identification: closed",
        "ERROR",
        TEN,
        app="sshd",
    ),
    sample("May  1 10:00:00 web1 kernel: [12.3] usb 1-1: new device", None, TEN, app="kernel"),
    sample(
        "2024-05-01T12:00:00.123456+02:00 web1 app[12]: INFO not an ERROR",
        "INFO",
        TEN_123,
        host="web1",
        message="not an ERROR",
    ),
]
