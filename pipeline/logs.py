"""Where log messages go: a file in the run folder, and stderr only when asked for.

Beam and its libraries say much that no user of the job can act on. stderr is for what
the job itself says.
"""

from __future__ import annotations

import logging
import logging.handlers
import pathlib
import sys
import threading

from pipeline.errors import ErrorWindowsError
from pipeline.local.folders import run_dir

_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
_MAX_BYTES = 5_000_000
_LOG = logging.getLogger(__name__)


def configure_logging(*, verbose: bool) -> pathlib.Path:
    """Sends the log to `<run folder>/logs/job.log`, with `verbose` to stderr too.

    Must come before Beam is loaded, which configures logging where nobody has.

    Returns:
      The log's path.

    Raises:
      ErrorWindowsError: if the run folder cannot be written.
    """
    path = run_dir() / "logs" / "job.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers: list[logging.Handler] = [
            logging.handlers.RotatingFileHandler(path, maxBytes=_MAX_BYTES, backupCount=1)
        ]
    except OSError as error:
        raise ErrorWindowsError(
            f"run folder: cannot be written ({error.strerror}), got {str(run_dir())!r}. "
            "Set ERROR_WINDOWS_RUN_DIR to a folder that can."
        ) from error
    if verbose:
        handlers.append(logging.StreamHandler(sys.stderr))
    logging.basicConfig(level=logging.INFO, format=_FORMAT, handlers=handlers, force=True)
    logging.captureWarnings(True)
    return path


def log_thread_failures() -> None:
    """Sends what ends a thread to the log, not to stderr.

    Beam's threads that talk to a job server end with a traceback when it ends first.
    """
    threading.excepthook = _log_failure


def _log_failure(failure: threading.ExceptHookArgs) -> None:
    _LOG.error("thread %s failed", failure.thread, exc_info=failure.exc_value)
