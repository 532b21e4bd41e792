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

SERIES = (
    "up",
    "down",
    "kernels",
    "queue_length",
    "kernel_deaths_total",
    "restarts_total",
    "failed_restarts_total",
    "retries_total",
)


class FakeApi:
    """An API that is served, has been restarted 4 times and lost once; `gateway` None: it is down."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.restarts, self.failed_restarts, self.backoff = 4, 1, SimpleNamespace(total=5)
        self.slots = self.link = self
        self.status: GatewayStatus | None = GatewayStatus(True, [], [], 2, 7, 3)
        self.is_stopped = False

    def stop(self) -> None:
        self.status, self.is_stopped = None, True

    def is_wanted(self) -> bool:
        return not self.is_stopped

    def is_missing(self) -> bool:
        return self.is_wanted() and not self.status

    def serving_slot(self) -> str | None:
        return "blue" if self.status else None

    def gateway(self, _slot: str) -> GatewayStatus | None:
        return self.status


@pytest.fixture
def api() -> FakeApi:
    return FakeApi("shop")


def deployment(*apis: FakeApi) -> Any:
    settings = SimpleNamespace(build_version="1.2", build_revision="abc")
    return SimpleNamespace(settings=settings, known_apis=lambda: list(apis))


def scrape(counters: Counters, *apis: FakeApi) -> dict[str, float]:
    """Each sample by its name and labels, as `name{a=1,b=2}`."""
    text = generate_latest(Metrics(deployment(*apis), counters).registry).decode()
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}"] = sample.value
    return samples


def test_durations_are_a_histogram_of_all_statuses() -> None:
    counters = Counters()
    counters.add(batch(count("/a", 200, [1, 2, 3], 9.0), count("/a", 500, [0, 0, 1], 4.0)))
    samples = scrape(counters)
    name = "notebook_api_request_duration_seconds"
    buckets = [
        samples[f"{name}_bucket{{endpoint=/a,le={le},method=GET,project=shop}}"] for le in ("0.1", "1.0", "+Inf")
    ]
    assert buckets == [1, 3, 7]
    assert samples[f"{name}_count{{endpoint=/a,method=GET,project=shop}}"] == 7
    assert samples[f"{name}_sum{{endpoint=/a,method=GET,project=shop}}"] == 13.0


def test_responses_that_broke_off_are_counted_beside_their_status() -> None:
    counters = Counters()
    counters.add(batch(count("/a", 200, [1, 2, 3]), broken_off=[["/a", "GET", 2]]))
    counters.add(batch(count("/a", 200, [1, 0, 0]), broken_off=[["/a", "GET", 1]]))
    samples = scrape(counters)
    assert samples["notebook_api_responses_broken_off_total{endpoint=/a,method=GET,project=shop}"] == 3
    assert samples["notebook_api_requests_total{endpoint=/a,method=GET,project=shop,status=200}"] == 7


def test_each_project_has_counts_of_its_own() -> None:
    counters = Counters()
    counters.add(batch(count("/a", 200, [1, 2, 3], 9.0), broken_off=[["/a", "GET", 2]], deaths=2))
    counters.add(batch(count("/a", 200, [1, 0, 0], 1.0), broken_off=[["/a", "GET", 1]], project="b/deep"))
    samples = scrape(counters)
    for project, expected in {"shop": (6, 2, 6, 2), "b/deep": (1, 1, 1, 0)}.items():
        labels = f"endpoint=/a,method=GET,project={project}"
        assert expected == (
            samples[f"notebook_api_requests_total{{{labels},status=200}}"],
            samples[f"notebook_api_responses_broken_off_total{{{labels}}}"],
            samples[f"notebook_api_request_duration_seconds_count{{{labels}}}"],
            samples[f"notebook_api_kernel_deaths_total{{project={project}}}"],
        )


def test_kernels_deaths_restarts_and_the_build_are_metrics(api: FakeApi) -> None:
    counters = Counters()
    counters.add(batch(deaths=2))
    counters.add(batch(deaths=1))
    samples = scrape(counters, api)
    assert {name: samples[f"notebook_api_{name}{{project=shop}}"] for name in SERIES} == {
        "up": 1,
        "down": 0,
        "kernels": 2,
        "queue_length": 3,
        "kernel_deaths_total": 3,
        "restarts_total": 4,
        "failed_restarts_total": 1,
        "retries_total": 5,
    }
    assert [name for name in samples if "build_info" in name and "revision=abc" in name and "version=1.2" in name]


def test_an_unknown_queue_length_has_no_metric(api: FakeApi) -> None:
    api.status = GatewayStatus(True, [], [], 1, 0, None)
    samples = scrape(Counters(), api, FakeApi("other"))
    assert [name for name in samples if "queue_length" in name] == ["notebook_api_queue_length{project=other}"]


def test_while_nothing_is_served_an_alert_finds_the_series_of_no_project() -> None:
    samples = scrape(Counters())
    assert {name: samples[f"notebook_api_{name}{{project=}}"] for name in SERIES} == dict.fromkeys(SERIES, 0)


def test_each_api_has_series_of_its_own_and_what_was_stopped_keeps_its_counts(api: FakeApi) -> None:
    down, stopped = FakeApi("b/down"), FakeApi("stopped")
    down.status = None
    stopped.stop()
    samples = scrape(Counters(), down, api, stopped)

    def values(name: str) -> dict[str, float]:
        return {
            sample.partition("=")[2][:-1]: value
            for sample, value in samples.items()
            if sample.startswith(f"notebook_api_{name}{{")
        }

    assert values("up") == {"b/down": 0, "shop": 1}
    assert values("down") == {"b/down": 1, "shop": 0}
    assert values("kernels") == {"b/down": 0, "shop": 2}
    assert values("queue_length") == {"b/down": 0, "shop": 3}
    assert values("restarts_total") == {"b/down": 4, "shop": 4, "stopped": 4}
    assert values("kernel_deaths_total") == {"b/down": 0, "shop": 0, "stopped": 0}


def test_an_api_that_was_never_started_has_no_series(api: FakeApi) -> None:
    never = FakeApi("never")
    never.stop()
    never.restarts = 0
    assert not [name for name in scrape(Counters(), api, never) if "never" in name]


@pytest.mark.parametrize("path", ['/a"b', "/a\\b", "/ü"])
def test_paths_of_all_kinds_are_labels(path: str) -> None:
    counters = Counters()
    counters.add(batch(count(path, 200, [1, 0, 0])))
    labels = f"endpoint={path},method=GET,project=shop,status=200"
    assert scrape(counters)[f"notebook_api_requests_total{{{labels}}}"] == 1


def test_openmetrics_is_negotiated(tmp_path: Path) -> None:
    settings = replace(Settings.from_env({"NOTEBOOK_DIR": str(tmp_path)}), run_dir=tmp_path)
    client = create_app(settings, resume=False).test_client()
    plain = client.get("/process/metrics")
    assert plain.mimetype == "text/plain"
    assert 'notebook_api_up{project=""} 0.0' in plain.text
    openmetrics = client.get("/process/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.mimetype == "application/openmetrics-text"
    assert openmetrics.text.endswith("# EOF\n")
