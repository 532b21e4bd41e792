"""The metrics that Prometheus scrapes from `/process/metrics`. https://prometheus.io/docs/instrumenting/exposition_formats/"""

import platform
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from control.deployment.api import Api
from control.deployment.deployment import Deployment
from control.deployment.gateway_client import GatewayStatus
from control.traffic.counters import Counters, Histogram

ENDPOINT_LABELS = ("project", "endpoint", "method")


class Metrics(Collector):
    """Collects all values at each scrape."""

    def __init__(self, deployment: Deployment, counters: Counters) -> None:
        self.deployment = deployment
        self.counters = counters
        self.registry = CollectorRegistry(auto_describe=False)  # registering sends no request to a gateway
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        apis = {api.name: api for api in self.deployment.known_apis()}
        served = {name: api for name, api in apis.items() if api.is_wanted() or api.slots.link.serving_slot()}
        yield self._requests()
        yield self._broken_off()
        yield self._durations()
        yield from self._gateways(served)
        yield from self._counts({name: api for name, api in apis.items() if name in served or api.restarts})
        yield self._build()

    def _requests(self) -> Metric:
        text = "Requests by status; 499: the client disconnected first."
        family = CounterMetricFamily("notebook_api_requests", text, labels=[*ENDPOINT_LABELS, "status"])
        for labels, count in self.counters.requests().items():
            family.add_metric(labels, count)
        return family

    def _broken_off(self) -> Metric:
        text = "Responses whose body broke off after its status had been sent."
        family = CounterMetricFamily("notebook_api_responses_broken_off", text, labels=ENDPOINT_LABELS)
        for labels, count in self.counters.broken_off().items():
            family.add_metric(labels, count)
        return family

    def _durations(self) -> Metric:
        text = "From a request's arrival at its kernel to its response."
        name = "notebook_api_request_duration_seconds"
        family = HistogramMetricFamily(name, text, labels=ENDPOINT_LABELS)
        for labels, histogram in self.counters.durations().items():
            family.add_metric(labels, cumulate(histogram), histogram.seconds)
        return family

    def _gateways(self, served: Mapping[str, Api]) -> Iterator[Metric]:
        """Of the APIs that are or should be served."""
        with ThreadPoolExecutor(len(served) or 1) as pool:  # a gateway that hangs delays no other
            gateways = dict(zip(served, pool.map(fetch_status, served.values()), strict=True))
        ready = {name: gateway is not None and gateway.ready for name, gateway in gateways.items()}
        up = "1 while the API is being served, else 0."
        yield by_project(GaugeMetricFamily, "notebook_api_up", up, ready)
        down = "1 while the API is down although it should be served, else 0."
        is_down = {name: not ready[name] and api.is_missing() for name, api in served.items()}
        yield by_project(GaugeMetricFamily, "notebook_api_down", down, is_down)
        kernels = "Kernels that accept requests."
        numbers = {name: gateway.kernels if gateway else 0 for name, gateway in gateways.items()}
        yield by_project(GaugeMetricFamily, "notebook_api_kernels", kernels, numbers)
        queue = "Requests that wait for a kernel."
        lengths = {name: gateway.queue if gateway else 0 for name, gateway in gateways.items()}
        yield by_project(GaugeMetricFamily, "notebook_api_queue_length", queue, lengths)

    def _counts(self, apis: Mapping[str, Api]) -> Iterator[Metric]:
        """Of the APIs that are or should be served, and of those that were: counters must not vanish."""
        deaths = "Kernels that died, or were killed, and were replaced."
        numbers = {**dict.fromkeys(apis, 0), **self.counters.kernel_deaths()}
        yield by_project(CounterMetricFamily, "notebook_api_kernel_deaths", deaths, numbers)
        restarts = "Starts and restarts of the API, including failed ones."
        numbers = {name: api.restarts for name, api in apis.items()}
        yield by_project(CounterMetricFamily, "notebook_api_restarts", restarts, numbers)
        failed = "Failed starts and restarts of the API: what was served before is served on."
        numbers = {name: api.failed_restarts for name, api in apis.items()}
        yield by_project(CounterMetricFamily, "notebook_api_failed_restarts", failed, numbers)
        retries = "Attempts to start again what should be served and was down."
        numbers = {name: api.backoff.total for name, api in apis.items()}
        yield by_project(CounterMetricFamily, "notebook_api_retries", retries, numbers)

    def _build(self) -> Metric:
        settings = self.deployment.settings
        labels = {
            "version": settings.build_version,
            "revision": settings.build_revision,
            "python": platform.python_version(),
        }
        return InfoMetricFamily("notebook_api_build", "Version of this product.", value=labels)


def fetch_status(api: Api) -> GatewayStatus | None:
    """The status of the gateway that serves; None while there is none, or none that responds."""
    slot = api.slots.link.serving_slot()
    return api.slots.gateway(slot) if slot else None


def by_project(
    kind: type[CounterMetricFamily | GaugeMetricFamily], name: str, text: str, values: Mapping[str, float | None]
) -> Metric:
    """A sample for each project that has a value; without any project one that is 0, for alerts."""
    family = kind(name, text, labels=["project"])
    for project, value in (values or {"": 0}).items():
        if value is not None:
            family.add_metric([project], value)
    return family


def cumulate(histogram: Histogram) -> list[tuple[str, float]]:
    """(upper bound as text, requests that took no longer), as Prometheus expects it."""
    buckets, count = [], 0
    for bound in sorted(histogram.buckets):
        count += histogram.buckets[bound]
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(count)))
    return buckets
