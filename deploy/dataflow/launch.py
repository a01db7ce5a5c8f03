"""What the launcher of the Flex Template runs: the job's command, after the client's settings."""

import os
import sys

_FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "with_consumer_config.sh")

if __name__ == "__main__":
    os.execv(_FETCH, [_FETCH, sys.executable, "-m", "pipeline", *sys.argv[1:]])  # noqa: S606
