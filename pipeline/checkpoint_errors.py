"""What is told when the folder of checkpoints cannot be used: one line, with what to do."""

from __future__ import annotations

import errno
import os
import re

from pipeline.errors import ErrorWindowsError, ServiceError, UsageError
from transforms.escape import escape_terminal

_MAX_COLUMNS = 200
_AWS = re.compile(
    r"AWS Error (?P<code>[A-Z_]+)(?: \(HTTP status (?P<status>\d+)\))? during \w+ operation: "
    r"(?P<message>.*)",
    re.DOTALL,
)
_REQUEST_ID = re.compile(r"\s*\(Request ID: [^)]*\)\s*$")
# `Unable to parse ExceptionName: InvalidBucketName Message: ...`: a code pyarrow does not know.
_UNKNOWN_CODE = re.compile(r"Unable to parse ExceptionName: (?P<code>\w+) Message: ")
_CONNECTION = re.compile(r"(?:curlCode: \d+, )?([^;]*)")
_CREDENTIAL_CODES = frozenset(
    {
        "ACCESS_DENIED",
        "EXPIRED_TOKEN",
        "INVALID_ACCESS_KEY_ID",
        "INVALID_CLIENT_TOKEN_ID",
        "INVALID_SIGNATURE",
        "MISSING_AUTHENTICATION_TOKEN",
        "SIGNATURE_DOES_NOT_MATCH",
        "UNRECOGNIZED_CLIENT",
    }
)
_KEY_VARIABLE = "AWS_ACCESS_KEY_ID"


def storage_error(
    flag: str, error: OSError, uri: str, endpoint: str | None = None
) -> ErrorWindowsError:
    """The error to raise for one of pyarrow's file systems.

    Args:
      flag: which flag named the folder.
      error: what pyarrow raised.
      uri: what was to be read or written.
      endpoint: the S3 store's address, or None for AWS.
    """
    aws = _AWS.search(str(error))
    if aws is not None:
        return _aws_error(flag, aws, uri, endpoint)
    if isinstance(error, NotADirectoryError):
        return UsageError(flag, "not a folder", got=uri, fix="Give a folder.")
    if isinstance(error, PermissionError):
        return UsageError(
            flag, "permission denied", got=uri, fix="Give this user the right to it, or another."
        )
    if error.errno in (errno.EROFS, errno.ENAMETOOLONG):
        reason = os.strerror(error.errno).lower()
        return UsageError(flag, reason, got=uri, fix="Choose another folder.")
    reason = os.strerror(error.errno).lower() if error.errno else _one_line(str(error))
    return ServiceError(f"{flag}: {reason}, got {uri!r}. Check the folder and its disk.")


def _aws_error(flag: str, aws: re.Match[str], uri: str, endpoint: str | None) -> ErrorWindowsError:
    code, message = aws["code"], _REQUEST_ID.sub("", aws["message"])
    store = endpoint or "AWS"
    if code == "NO_SUCH_BUCKET":
        return UsageError(
            flag, f"no such bucket at {store}", got=uri, fix="Create it, or check its name."
        )
    if code == "NETWORK_CONNECTION":
        found = _CONNECTION.match(message)
        reason = _one_line(found[1] if found else message).lower()
        return ServiceError(
            f"{flag}: no S3 store answers at {store} ({reason}), got {uri!r}. "
            "Check that it runs, and AWS_ENDPOINT_URL."
        )
    if code in _CREDENTIAL_CODES or aws["status"] in ("401", "403"):
        word = code.replace("_", " ").lower()
        unknown = _UNKNOWN_CODE.search(message)
        reason = unknown["code"] if unknown else word
        fix = (
            "Check the credentials in the environment and what they allow"
            if os.environ.get(_KEY_VARIABLE)
            else f"{_KEY_VARIABLE} and AWS_SECRET_ACCESS_KEY are not set"
        )
        return ServiceError(f"{flag}: {store} refuses access ({reason}), got {uri!r}. {fix}.")
    reason = _one_line(_UNKNOWN_CODE.sub("", message)) or code.lower()
    return ServiceError(f"{flag}: {store} answered: {reason.rstrip('.')}, got {uri!r}. Check both.")


def _one_line(text: str) -> str:
    return escape_terminal(text, _MAX_COLUMNS)
