"""Errors that users see, each with its HTTP status."""

from typing import Any


class ApiError(Exception):
    """A request cannot be carried out; the text says what to do."""

    status = 500
    name: str | None = None  # in last_error, where it is not the class's own

    def details(self) -> dict[str, Any]:
        """The fields for `last_error`: at least its name."""
        return {"name": self.name or type(self).__name__}


class UnknownProject(ApiError):
    status = 404


class ProjectConflict(ApiError):
    status = 409  # another project is being served at the address of this one
    name = "AnotherIsServed"


class NotServed(ApiError):
    status = 409  # a project that is to become the default one, and is not being served


class NoDefaultProject(ApiError):
    status = 400  # a start that names no project while it is unclear which one is meant


class NothingToRestart(ApiError):
    status = 409  # a restart that names no project while none is being served


class CancelledStart(ApiError):
    status = 409  # the API was stopped during this start
    name = "Cancelled"


NO_PLACE = {"cell": None, "line": None, "file_line": None, "source": None, "traceback": ""}


class NotebookFailure(ApiError):
    """The notebook does not run. `error` has any of the fields of NO_PLACE, and name and value.

    `cell`, `line` in it and `file_line` in a notebook that is text count from 1; `source` is the cell's.
    """

    status = 422

    def __init__(self, message: str, error: dict[str, Any]) -> None:
        super().__init__(message)
        self.error = {**NO_PLACE, **error}

    def details(self) -> dict[str, Any]:
        return self.error


class TooManyFollowers(ApiError):
    status = 503  # as many clients follow the log as this process has threads for


class UnknownRequest(ApiError):
    status = 404  # not in the history, or no longer


class ReplayError(ApiError):
    status = 409  # a request that cannot be sent again, or got no response


class InvalidName(ApiError):
    status = 400  # a name that no project can have


class InvalidRequirement(ApiError):
    status = 400  # no line that a requirements.txt can get


class ProjectExists(ApiError):
    status = 409  # the name of an existing file or folder


class InvalidArchive(ApiError):
    status = 400  # no zip of a project, or one with entries that must not be unpacked


class ArchiveTooLarge(ApiError):
    status = 413  # a zip that exceeds the limits when unpacked


class StorageError(ApiError):
    """A file of the run directory or in the folder of notebooks cannot be written: a full disk, for example."""


class StartRefused(ApiError):
    status = 503  # by supervisord, such as while a file in the run directory is broken


class NotReady(ApiError):
    status = 504  # the notebook was still running its cells after START_TIMEOUT
