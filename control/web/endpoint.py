"""How the pages say where an API and its endpoints are called."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from control.config.run_dir import api_address
from control.traffic.manual_request import ManualRequest

PARAMETER = re.compile(r"(?<=/):(\w+)")


def api_path(project: str, *, is_default: bool) -> str:
    """The path below which a project's API is called, percent-encoded."""
    return "/invoke" if is_default else quote(api_address(project))


@dataclass(frozen=True)
class Endpoint:
    """An endpoint, the request that the form suggests for it, and a curl command with placeholders in capitals."""

    method: str
    path: str
    request: ManualRequest
    curl: str

    @classmethod
    def at(cls, address: str, user: str, endpoint: Mapping[str, Any]) -> "Endpoint":
        """`address` is that of the API as the browser sees it, such as `http://localhost:8080/invoke`."""
        request = ManualRequest.of(endpoint)
        url = address + PARAMETER.sub(lambda match: match[1].upper(), request.path)
        words = ["curl", "-u", f"{user}:PASSWORD"]
        if request.method not in ("GET", "POST"):
            words += ["-X", request.method]
        for name, value in endpoint.get("example", {}).get("form", {}).items():
            words += ["-F", f"{name}={value}"]
        if request.body:
            words += ["-H", f"Content-Type: {request.content_type()}", "-d", request.body]
        return cls(request.method, endpoint["path"], request, shlex.join([*words, url]))
