"""What can go wrong with a start, restart or stop, each with the HTTP status that says so."""

from typing import Any


class ApiError(Exception):
    """Something that the caller asked for cannot be done; the text says what to do."""

    status = 500
    name: str | None = None  # in last_error, where it is not the class's own

    def details(self) -> dict[str, Any]:
        """What last_error reports of it: at least its name."""
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
    """The API was stopped while this start waited for its notebook."""

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
    """The log is followed as often as this program has threads for."""

    status = 503


class UnknownRequest(ApiError):
    """A call that is not, or no longer, among those that are kept."""

    status = 404


class ReplayError(ApiError):
    """A call that cannot be sent again, or got no answer when it was."""

    status = 409


class InvalidName(ApiError):
    """A name that no project can have."""

    status = 400


class ProjectExists(ApiError):
    """A new project with the name of something that is there."""

    status = 409


class InvalidArchive(ApiError):
    """An uploaded file that is no zip of a project, or holds what must not be unpacked."""

    status = 400


class ArchiveTooLarge(ApiError):
    """An uploaded zip that would unpack to more than is allowed."""

    status = 413


class StorageError(ApiError):
    """The folder of notebooks takes no new project."""

    status = 500


class NotReady(ApiError):
    """The notebook was still running its cells when START_TIMEOUT was over."""

    status = 504
