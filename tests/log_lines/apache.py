"""Lines of Apache's error log, from its documentation, its source and bug reports."""

from __future__ import annotations

from tests.log_lines.sample import sample

SAMPLES = [
    sample(
        "[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server "
        "configuration: /export/home/live/ap/htdocs/test",
        "ERROR",
        "2000-10-11 14:32:52",
        client="127.0.0.1",
        client_port=None,
        module=None,
        message="client denied by server configuration: /export/home/live/ap/htdocs/test",
    ),
    sample(
        "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] "
        "[client 72.15.99.187] File does not exist: /usr/local/apache2/htdocs/favicon.ico",
        "ERROR",
        "2011-09-09 10:42:29.902",
        module="core",
        pid="35708",
        tid="4328636416",
        client="72.15.99.187",
        message="File does not exist: /usr/local/apache2/htdocs/favicon.ico",
    ),
    sample(
        "[Fri Dec 20 01:46:23 2015] [ERROR] [client 1.2.3.4.5.6] Directory index forbidden",
        "ERROR",
        "2015-12-20 01:46:23",
        client="1.2.3.4.5.6",
        message="Directory index forbidden",
    ),
    sample(
        "[Thu May 02 10:00:00.123456 2024] [:notice] [pid 12:tid 3] ModSecurity for Apache/2.9.3 "
        "(http://www.modsecurity.org/) configured.",
        "NOTICE",
        "2024-05-02 10:00:00.123",
        module=None,
        pid="12",
        message="ModSecurity for Apache/2.9.3 (http://www.modsecurity.org/) configured.",
    ),
    sample(
        "[Thu May 02 10:00:00.123456 2024] [-:error] [pid 12:tid 3] [client 10.0.0.1:40044] "
        '[client 10.0.0.1] ModSecurity: Access denied with code 403 [id "920350"]',
        "ERROR",
        "2024-05-02 10:00:00.123",
        module=None,
        client="10.0.0.1",
        client_port="40044",
        message='ModSecurity: Access denied with code 403 [id "920350"]',
    ),
    sample(
        "[Wed May 01 10:00:00.000001 2024] [authz_core:error] [pid 9] [client ::1:54321] AH01630: "
        "client denied by server configuration: /srv/www",
        "ERROR",
        "2024-05-01 10:00:00",
        module="authz_core",
        client="::1",
        client_port="54321",
        code="AH01630",
        message="client denied by server configuration: /srv/www",
    ),
    sample(
        "[Wed May 01 10:00:00 2024] [error] [client 2001:db8::17] script not found: /srv/cgi/x",
        "ERROR",
        "2024-05-01 10:00:00",
        client="2001:db8::17",
        client_port=None,
    ),
    sample(
        "[Wed May 01 10:00:00.5 2024] [core:error] [pid 9] [client [2001:db8::17]:443] x",
        "ERROR",
        "2024-05-01 10:00:00.500",
        client="2001:db8::17",
        client_port="443",
        message="x",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [core:crit] [pid 7:tid 8] (13)Permission denied: "
        "[client 10.1.2.3:4711] AH00529: /home/raj/.htaccess pcfg_openfile: unable to check "
        "htaccess file, ensure it is readable",
        "CRITICAL",
        "2024-05-01 10:00:00.123",
        os_error="13",
        client="10.1.2.3",
        code="AH00529",
        message="/home/raj/.htaccess pcfg_openfile: unable to check htaccess file, ensure it is "
        "readable",
    ),
    sample(
        "[Wed May 01 10:00:00 2024] [error] [client 10.1.2.3] (2)No such file or directory: "
        "exec of '/srv/cgi/x.cgi' failed",
        "ERROR",
        "2024-05-01 10:00:00",
        os_error="2",
        client="10.1.2.3",
        message="exec of '/srv/cgi/x.cgi' failed",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [mpm_event:notice] [pid 1:tid 140] AH00489: "
        "Apache/2.4.59 (Unix) configured -- resuming normal operations",
        "NOTICE",
        "2024-05-01 10:00:00.123",
        module="mpm_event",
        code="AH00489",
        client=None,
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [core:notice] [pid 1:tid 140] AH00094: Command line: "
        "'httpd -D ERROR'",
        "NOTICE",
        "2024-05-01 10:00:00.123",
        code="AH00094",
        message="Command line: 'httpd -D ERROR'",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [ssl:warn] [pid 1:tid 140] AH01909: www:443:0 server "
        "certificate does NOT include an ID which matches the server name",
        "WARN",
        "2024-05-01 10:00:00.123",
        module="ssl",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [ssl:emerg] [pid 1:tid 140] AH02572: Failed to "
        "configure at least one certificate and key for www:443",
        "EMERGENCY",
        "2024-05-01 10:00:00.123",
        code="AH02572",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [mpm_prefork:alert] [pid 1] (11)Resource temporarily "
        "unavailable: AH00159: fork: Unable to fork new process",
        "ALERT",
        "2024-05-01 10:00:00.123",
        os_error="11",
        code="AH00159",
        message="fork: Unable to fork new process",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [core:info] [pid 1:tid 140] AH00096: removed PID file "
        "/run/httpd.pid ERROR_COUNT=0",
        "INFO",
        "2024-05-01 10:00:00.123",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [rewrite:trace3] [pid 1:tid 140] mod_rewrite.c(477): "
        "[client 10.0.0.1:5000] 10.0.0.1 - - applying pattern '^/ERROR' to uri '/a'",
        "TRACE",
        "2024-05-01 10:00:00.123",
        module="rewrite",
        source="mod_rewrite.c(477)",
        client="10.0.0.1",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [proxy:trace8] [pid 1:tid 140] proxy_util.c(1): x",
        "TRACE",
        "2024-05-01 10:00:00.123",
        source="proxy_util.c(1)",
        message="x",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [authz_core:debug] [pid 5] mod_authz_core.c(817): "
        "[client 10.0.0.1:5000] AH01626: authorization result of Require all granted: granted",
        "DEBUG",
        "2024-05-01 10:00:00.123",
        code="AH01626",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [proxy:error] [pid 5] (111)Connection refused: "
        "AH00957: HTTP: attempt to connect to 10.0.0.7:8080 (10.0.0.7) failed",
        "ERROR",
        "2024-05-01 10:00:00.123",
        os_error="111",
        code="AH00957",
        message="HTTP: attempt to connect to 10.0.0.7:8080 (10.0.0.7) failed",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [php:error] [pid 5] [client 10.0.0.1:5000] PHP Fatal "
        "error:  Uncaught Error in /srv/a.php:3, referer: https://example.com/a, b",
        "ERROR",
        "2024-05-01 10:00:00.123",
        module="php",
        referer="https://example.com/a, b",
        message="PHP Fatal error:  Uncaught Error in /srv/a.php:3",
    ),
    sample(
        "[Wed May 01 10:00:00.123456 2024] [http2:info] [pid 5] [remote 10.0.0.1:443] AH03161: x",
        "INFO",
        "2024-05-01 10:00:00.123",
        remote="10.0.0.1",
        remote_port="443",
        code="AH03161",
    ),
    sample(
        "[2024-05-01 10:00:00.123456] [core:error] [pid 35708:tid 4328636416] [client 10.0.0.1] x",
        "ERROR",
        "2024-05-01 10:00:00.123",
        module="core",
        client="10.0.0.1",
        message="x",
    ),
    sample(
        "[Wed May  1 10:00:00 2024] [warn] child process 4711 still did not exit, ERROR follows",
        "WARN",
        "2024-05-01 10:00:00",
        message="child process 4711 still did not exit, ERROR follows",
    ),
    sample(
        "[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok /etc/httpd/workers2.properties",
        "NOTICE",
        "2005-12-04 04:47:44",
    ),
    sample(
        "[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6",
        "ERROR",
        "2005-12-04 04:47:44",
        message="mod_jk child workerEnv in error state 6",
    ),
    sample(
        b"[Wed May 01 10:00:00 2024] [error] [client 10.0.0.1] not found: /\xff\xfe\r\n",
        "ERROR",
        "2024-05-01 10:00:00",
        message="not found: /\\xff\\xfe",
    ),
]
