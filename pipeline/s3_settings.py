"""How to reach an S3-compatible store, for this process and for Flink alike."""

from __future__ import annotations

import dataclasses
import os
import urllib.parse
from collections.abc import Sequence

from pipeline.errors import UsageError

# As the AWS tools have it: the one of the service goes before the general one.
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclasses.dataclass(frozen=True)
class S3Settings:
    """How to reach an S3-compatible store.

    Credentials are not here: both this process and Flink take them from the environment
    (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN).

    Attributes:
      endpoint: `http[s]://host[:port]`, or None for AWS itself.

    Raises:
      UsageError: the endpoint is not such an address.
    """

    endpoint: str | None = None

    def __post_init__(self) -> None:
        if self.endpoint is not None and not _is_endpoint(self.endpoint):
            # Not shown: it may hold a password.
            raise UsageError(
                "S3 endpoint",
                "not http://host:port or https://host:port",
                fix=f"Set {ENDPOINT_VARIABLES[-1]} to the store's address, or unset it for AWS.",
            )

    @classmethod
    def from_environment(cls) -> S3Settings:
        """What $AWS_ENDPOINT_URL_S3, else $AWS_ENDPOINT_URL, says."""
        return cls(_first_set(ENDPOINT_VARIABLES))

    @property
    def region(self) -> str | None:
        """What $AWS_REGION, else $AWS_DEFAULT_REGION, says."""
        return _first_set(_REGION_VARIABLES)


def _is_endpoint(text: str) -> bool:
    try:
        address = urllib.parse.urlsplit(text)
        # Reading the port also checks it.
        well_formed = bool(address.hostname) and address.port != 0 and "@" not in address.netloc
    except ValueError:
        return False
    bare = not (address.path.strip("/") or address.query or address.fragment)
    return well_formed and bare and address.scheme in ("http", "https")


def _first_set(variables: Sequence[str]) -> str | None:
    return next((os.environ[name] for name in variables if os.environ.get(name)), None)
