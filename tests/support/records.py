"""Records of requests, as kernels send them, for tests."""

from collections.abc import Sequence
from typing import Any

from control.traffic.exchange import Exchange
from tests.support.arbiter import eventually

BOUNDS = [0.1, 1.0]


def record(**changes: Any) -> dict[str, Any]:
    nothing = {"size": 0, "cut": False, "text": ""}
    message = {"headers": [["Content-Type", "application/json"]], "body": {"size": 2, "cut": False, "text": "{}"}}
    return {
        "at": 1_700_000_000.5,
        "seconds": 0.0125,
        "method": "POST",
        "path": "/invoke/a?b=1",
        "endpoint": "/a",
        "status": 200,
        "request_id": "r1",
        "request": message,
        "response": message,
        "stderr": nothing,
        "traceback": nothing,
        **changes,
    }


def rejection(**changes: Any) -> dict[str, Any]:
    """What nginx tells of a request that it rejected (conf/nginx.conf.j2)."""
    return {
        "at": "1700000000.5",
        "seconds": "0.001",
        "method": "GET",
        "target": "/invoke/a",
        "status": "503",
        "request_id": "r1",
        "request_bytes": "",
        "response": "{}",
        "response_bytes": "2",
        "has_authorization": "",
        "caller": "127.0.0.1",
        "headers": {"Host": "localhost", "Origin": ""},
        **changes,
    }


def exchange(project: str = "shop", **changes: Any) -> Exchange:
    return Exchange.from_json("1", project, record(**changes))


def batch(
    *requests: list[Any], project: str = "shop", broken_off: Sequence[list[Any]] = (), deaths: int = 0
) -> dict[str, Any]:
    counts = {"requests": list(requests), "broken_off": list(broken_off), "kernel_deaths": deaths}
    return {"project": project, "bounds": BOUNDS, **counts, "records": []}


def count(endpoint: str | None, status: int, buckets: list[int], seconds: float = 0.5) -> list[Any]:
    return [endpoint, "GET", status, seconds, buckets]


class RecordLog:
    """All that was told."""

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for batch in self.batches for record in batch["records"]]

    def of(self, request_id: str) -> dict[str, Any]:
        """The record of the request with that id, once it has come."""
        return eventually(
            lambda: next((one for one in self.records if one["request_id"] == request_id), None), request_id
        )

    def count(self, endpoint: str | None, status: int) -> int:
        requests = [one for batch in self.batches for one in batch["requests"]]
        return sum(sum(buckets) for where, _, code, _, buckets in requests if (where, code) == (endpoint, status))
