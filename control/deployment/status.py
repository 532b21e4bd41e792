"""The status of an API: whether it is served, and its health."""

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["stopped", "starting", "serving", "failed"]


@dataclass(frozen=True)
class Status:
    """Whether a project is served, and its health.

    `address`: the path below which it is called, such as `/apis/hello_world`, not percent-encoded; `is_default`:
    whether it answers below `/invoke` too;
    `since`: ISO 8601 in UTC; `endpoints`, `problems`, `kernels` and `kernel_deaths` as in
    gateway_client.GatewayStatus; `busy`: the change in progress, such as "Restarting hello_world.";
    `last_error`: {"message", "notebook", "cell", "line", "name", "value", "traceback", "source": the cell's
    text, "file_line": the line of a notebook that is text} of the last start, None after one that succeeded or a
    stop; `reload`: whether a save restarts the API;
    `retry`: while what should be served is down, {"notebook": its name, "attempts" to start it again since it was last
    served, "next": the time of the next one, ISO 8601 in UTC}, otherwise None.
    """

    state: State = "stopped"
    notebook: str | None = None
    address: str | None = None
    is_default: bool = False
    since: str | None = None
    slot: str | None = None
    endpoints: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    kernels: int = 0
    kernel_deaths: int = 0
    busy: str | None = None
    last_error: dict[str, Any] | None = None
    reload: bool = False
    retry: dict[str, Any] | None = None
