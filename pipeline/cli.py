"""The command `error-windows`, also `python -m pipeline`: picks what to run, sets exit codes.

Without a command word the arguments are the job's. Commands are imported only when asked
for, so that `--help` starts neither Beam nor Java.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from pipeline.errors import EXIT_DONE, EXIT_INTERRUPTED, ErrorWindowsError
from transforms.escape import escape_terminal

_COMMANDS = {
    "dataflow": "pipeline.dataflow_command",
    "dead-letters": "pipeline.dead_letters_command",
    "direct": "pipeline.direct",
    "explain": "pipeline.explain",
    "flink": "pipeline.flink",
    "flink-driver": "pipeline.driver",
    "java": "pipeline.local.java_command",
    "kafka": "pipeline.local.kafka_command",
    "replay": "pipeline.replay_command",
    "results": "pipeline.results_command",
    "watch": "pipeline.watch",
}
_JOB_MODULE = "pipeline.main"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code (0 done, 1 failed, 2 usage, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A polite end takes the same way out as Ctrl-C, so that nothing is left running.
    signal.signal(signal.SIGTERM, _end)
    module = _JOB_MODULE
    if arguments and arguments[0] in _COMMANDS:
        module = _COMMANDS[arguments.pop(0)]
    try:
        return int(importlib.import_module(module).main(arguments))
    except ErrorWindowsError as error:
        # The text may quote a broker, a log or a line.
        print(escape_terminal(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our stdout went away (`| head`): that is its right, and no failure.
        sys.stdout = None
        return EXIT_DONE


def _end(number: int, _frame: object) -> NoReturn:
    """Ends with the exit code that shells show for the signal."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
