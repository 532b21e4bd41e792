"""What is counted, and its form for Prometheus, read by Prometheus' own parser."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from control.config.settings import Settings
from control.deployment.gateway_client import GatewayStatus
from control.traffic.counters import Counters
from control.traffic.metrics import Metrics
from control.web.app import create_app
from tests.support.records import batch, count


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
    counts = {"restarts": 4, "failed_restarts": 1, "backoff": SimpleNamespace(total=5)}
    return SimpleNamespace(slots=FakeSlots(), missing_project=lambda: None, settings=settings, **counts)


def scrape(api: Any, counters: Counters) -> dict[str, float]:
    """Each sample by its name and labels, as `name{a=1,b=2}`."""
    text = generate_latest(Metrics(api, counters).registry).decode()
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}"] = sample.value
    return samples


def test_durations_are_a_histogram_of_all_statuses(api: Any) -> None:
    counters = Counters()
    counters.add(batch(count("/a", 200, [1, 2, 3], 9.0), count("/a", 500, [0, 0, 1], 4.0)))
    samples = scrape(api, counters)
    name = "notebook_api_request_duration_seconds"
    buckets = [samples[f"{name}_bucket{{endpoint=/a,le={le},method=GET}}"] for le in ("0.1", "1.0", "+Inf")]
    assert buckets == [1, 3, 7]
    assert samples[f"{name}_count{{endpoint=/a,method=GET}}"] == 7
    assert samples[f"{name}_sum{{endpoint=/a,method=GET}}"] == 13.0


def test_responses_that_broke_off_are_counted_beside_their_status(api: Any) -> None:
    counters = Counters()
    counters.add(batch(count("/a", 200, [1, 2, 3]), broken_off=[["/a", "GET", 2]]))
    counters.add(batch(count("/a", 200, [1, 0, 0]), broken_off=[["/a", "GET", 1]]))
    samples = scrape(api, counters)
    assert samples["notebook_api_responses_broken_off_total{endpoint=/a,method=GET}"] == 3
    assert samples["notebook_api_requests_total{endpoint=/a,method=GET,status=200}"] == 7


def test_kernels_deaths_restarts_and_the_build_are_metrics(api: Any) -> None:
    counters = Counters()
    counters.add(batch(deaths=2))
    counters.add(batch(deaths=1))
    samples = scrape(api, counters)
    assert samples["notebook_api_up{}"] == 1
    assert samples["notebook_api_kernels{}"] == 2
    assert samples["notebook_api_queue_length{}"] == 3
    assert samples["notebook_api_kernel_deaths_total{}"] == 3
    assert samples["notebook_api_restarts_total{}"] == 4
    assert samples["notebook_api_failed_restarts_total{}"] == 1
    assert samples["notebook_api_retries_total{}"] == 5
    assert [name for name in samples if "build_info" in name and "revision=abc" in name and "version=1.2" in name]


def test_an_unknown_queue_length_has_no_metric(api: Any) -> None:
    api.slots.status = GatewayStatus(True, [], [], 1, 0, None)
    assert "notebook_api_queue_length{}" not in scrape(api, Counters())


def test_while_nothing_is_served_there_are_no_kernels(api: Any) -> None:
    api.slots.status = None
    samples = scrape(api, Counters())
    assert (samples["notebook_api_up{}"], samples["notebook_api_kernels{}"]) == (0, 0)


def test_what_is_down_although_it_should_be_served_is_told_from_what_was_stopped(api: Any) -> None:
    api.slots.status = None
    assert scrape(api, Counters())["notebook_api_down{}"] == 0
    api.missing_project = lambda: "shop"
    assert scrape(api, Counters())["notebook_api_down{}"] == 1


@pytest.mark.parametrize("path", ['/a"b', "/a\\b", "/ü"])
def test_paths_of_all_kinds_are_labels(api: Any, path: str) -> None:
    counters = Counters()
    counters.add(batch(count(path, 200, [1, 0, 0])))
    assert scrape(api, counters)[f"notebook_api_requests_total{{endpoint={path},method=GET,status=200}}"] == 1


def test_openmetrics_is_negotiated(tmp_path: Path) -> None:
    settings = replace(Settings.from_env({"NOTEBOOK_DIR": str(tmp_path)}), run_dir=tmp_path)
    client = create_app(settings, resume=False).test_client()
    plain = client.get("/process/metrics")
    assert plain.mimetype == "text/plain"
    assert "notebook_api_up 0.0" in plain.text
    openmetrics = client.get("/process/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.mimetype == "application/openmetrics-text"
    assert openmetrics.text.endswith("# EOF\n")
