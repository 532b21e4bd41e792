"""What is counted, and its form for Prometheus, read by Prometheus' own parser."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from control.deployment.gateway_client import GatewayStatus
from control.traffic.counters import Counters
from control.traffic.metrics import Metrics

BOUNDS = [0.1, 1.0]


def batch(*requests: list[Any], deaths: int = 0) -> dict[str, Any]:
    return {"bounds": BOUNDS, "requests": list(requests), "kernel_deaths": deaths, "records": []}


def one(endpoint: str | None, status: int, buckets: list[int], seconds: float = 0.5) -> list[Any]:
    return [endpoint, "GET", status, seconds, buckets]


class FakeSlots:
    def __init__(self) -> None:
        self.status: GatewayStatus | None = GatewayStatus(True, [], [], 2, 7, 3)

    def serving_slot(self) -> str | None:
        return "blue" if self.status else None

    def gateway(self, slot: str) -> GatewayStatus | None:
        return self.status


@pytest.fixture
def api() -> Any:
    settings = SimpleNamespace(build_version="1.2", build_revision="abc")
    return SimpleNamespace(slots=FakeSlots(), restarts=4, failed_restarts=1, settings=settings)


def scraped(api: Any, totals: Counters) -> dict[str, float]:
    """Each sample by its name and labels, as `name{a=1,b=2}`."""
    text = generate_latest(Metrics(api, totals).registry).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_refusals_are_counted_without_a_label_for_each_method_that_callers_make_up(api: Any) -> None:
    totals = Counters()
    for method in ("POST", "POST", "X1", "X2"):
        totals.add_rejection(method, 401)
    found = scraped(api, totals)
    assert found["notebook_api_requests_total{endpoint=other,method=POST,status=401}"] == 2
    assert found["notebook_api_requests_total{endpoint=other,method=other,status=401}"] == 2


def test_requests_are_counted_by_endpoint_method_and_status_over_all_batches(api: Any) -> None:
    totals = Counters()
    totals.add(batch(one("/a/:b", 200, [1, 2, 3]), one("/a/:b", 500, [0, 0, 1])))
    totals.add(batch(one("/a/:b", 200, [1, 0, 0]), one(None, 404, [5, 0, 0])))
    found = scraped(api, totals)
    assert found["notebook_api_requests_total{endpoint=/a/:b,method=GET,status=200}"] == 7
    assert found["notebook_api_requests_total{endpoint=/a/:b,method=GET,status=500}"] == 1
    assert found["notebook_api_requests_total{endpoint=other,method=GET,status=404}"] == 5


def test_durations_are_a_histogram_of_all_statuses(api: Any) -> None:
    totals = Counters()
    totals.add(batch(one("/a", 200, [1, 2, 3], 9.0), one("/a", 500, [0, 0, 1], 4.0)))
    found = scraped(api, totals)
    name = "notebook_api_request_duration_seconds"
    buckets = [found[f"{name}_bucket{{endpoint=/a,le={le},method=GET}}"] for le in ("0.1", "1.0", "+Inf")]
    assert buckets == [1, 3, 7]
    assert found[f"{name}_count{{endpoint=/a,method=GET}}"] == 7
    assert found[f"{name}_sum{{endpoint=/a,method=GET}}"] == 13.0


def test_kernels_deaths_restarts_and_the_build_are_told(api: Any) -> None:
    totals = Counters()
    totals.add(batch(deaths=2))
    totals.add(batch(deaths=1))
    found = scraped(api, totals)
    assert found["notebook_api_up{}"] == 1
    assert found["notebook_api_kernels{}"] == 2
    assert found["notebook_api_queue_length{}"] == 3
    assert found["notebook_api_kernel_deaths_total{}"] == 3
    assert found["notebook_api_restarts_total{}"] == 4
    assert found["notebook_api_failed_restarts_total{}"] == 1
    assert [name for name in found if "build_info" in name and "revision=abc" in name and "version=1.2" in name]


def test_where_the_system_does_not_tell_the_queue_there_is_no_such_metric(api: Any) -> None:
    api.slots.status = GatewayStatus(True, [], [], 1, 0, None)
    assert "notebook_api_queue_length{}" not in scraped(api, Counters())


def test_while_nothing_is_served_there_are_no_kernels(api: Any) -> None:
    api.slots.status = None
    found = scraped(api, Counters())
    assert (found["notebook_api_up{}"], found["notebook_api_kernels{}"]) == (0, 0)


@pytest.mark.parametrize("path", ['/a"b', "/a\\b", "/ü"])
def test_paths_of_all_kinds_are_labels(api: Any, path: str) -> None:
    totals = Counters()
    totals.add(batch(one(path, 200, [1, 0, 0])))
    assert scraped(api, totals)[f"notebook_api_requests_total{{endpoint={path},method=GET,status=200}}"] == 1


def test_openmetrics_is_spoken_to_who_asks_for_it(tmp_path: Path) -> None:
    from dataclasses import replace

    from control.config.settings import Settings
    from control.web.app import create_app

    settings = replace(Settings.from_env({"NOTEBOOK_DIR": str(tmp_path)}), run_dir=tmp_path)
    client = create_app(settings, resume=False).test_client()
    plain = client.get("/process/metrics")
    assert plain.mimetype == "text/plain"
    assert "notebook_api_up 0.0" in plain.text
    asked = client.get("/process/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert asked.mimetype == "application/openmetrics-text"
    assert asked.text.endswith("# EOF\n")
