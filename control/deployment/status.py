"""The status of the API: what is served, and its health."""

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["stopped", "starting", "serving", "failed"]


@dataclass(frozen=True)
class Status:
    """What is served, and its health.

    `since`: ISO 8601 in UTC; `endpoints`, `problems`, `kernels` and `kernel_deaths` as in
    gateway_client.GatewayStatus; `busy`: the change in progress, such as "Restarting hello_world.";
    `last_error`: {"message", "notebook", "cell", "line", "name", "value", "traceback", "source": the cell's
    text, "file_line": the line of a notebook that is text} of the last start, None after one that succeeded or a
    stop; `reload`: whether a save restarts the API;
    `retry`: while what should be served is down, {"notebook": its name, "attempts" to start it again since it was last
    served, "next": the time of the next one, ISO 8601 in UTC}, otherwise None.
    """

    state: State
    notebook: str | None
    since: str | None
    slot: str | None
    endpoints: list[dict[str, Any]]
    problems: list[dict[str, Any]]
    kernels: int
    kernel_deaths: int
    busy: str | None
    last_error: dict[str, Any] | None
    reload: bool
    retry: dict[str, Any] | None
