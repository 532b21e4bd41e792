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
    """There is no such project."""

    status = 404


class ProjectConflict(ApiError):
    """A start of one project while another is being served."""

    status = 409
    name = "AnotherIsServed"


class NothingToRestart(ApiError):
    """A restart that names no project while none is being served."""

    status = 409


class CancelledStart(ApiError):
    """The API was stopped during this start."""

    status = 409
    name = "Cancelled"


class NotebookFailure(ApiError):
    """The notebook does not run. `error` has cell, line (both from 1, or None), name, value, traceback."""

    status = 422

    def __init__(self, message: str, error: dict[str, Any]) -> None:
        super().__init__(message)
        self.error = error

    def details(self) -> dict[str, Any]:
        return self.error


class TooManyFollowers(ApiError):
    """As many clients follow the log as this process has threads for."""

    status = 503


class UnknownRequest(ApiError):
    """A request that is not in the history, or no longer."""

    status = 404


class ReplayError(ApiError):
    """A request that cannot be sent again, or got no response."""

    status = 409


class InvalidName(ApiError):
    """A name that no project can have."""

    status = 400


class ProjectExists(ApiError):
    """A new project with the name of an existing file or folder."""

    status = 409


class InvalidArchive(ApiError):
    """An uploaded file that is no zip of a project, or has entries that must not be unpacked."""

    status = 400


class ArchiveTooLarge(ApiError):
    """An uploaded zip that exceeds the limits when unpacked."""

    status = 413


class StorageError(ApiError):
    """The folder of notebooks cannot be written to."""

    status = 500


class NotReady(ApiError):
    """The notebook was still running its cells after START_TIMEOUT."""

    status = 504
