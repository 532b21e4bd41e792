"""The metrics that Prometheus scrapes from `/process/metrics`. https://prometheus.io/docs/instrumenting/exposition_formats/"""

import platform
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from control.deployment.deployment import Deployment
from control.traffic.counters import Counters, Histogram


class Metrics(Collector):
    """Collects all values at each scrape."""

    def __init__(self, deployment: Deployment, counters: Counters) -> None:
        self.deployment = deployment
        self.counters = counters
        self.registry = CollectorRegistry(auto_describe=False)  # registering sends no request to a gateway
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        yield self._requests()
        yield self._broken_off()
        yield self._durations()
        yield from self._gateway()
        deaths = "Kernels that died, or were killed, and were replaced."
        yield CounterMetricFamily("notebook_api_kernel_deaths", deaths, value=self.counters.kernel_deaths)
        restarts = "Starts and restarts of the API, including failed ones."
        yield CounterMetricFamily("notebook_api_restarts", restarts, value=self.deployment.restarts)
        failed = "Failed starts and restarts of the API: what was served before is served on."
        yield CounterMetricFamily("notebook_api_failed_restarts", failed, value=self.deployment.failed_restarts)
        yield self._build()

    def _requests(self) -> Metric:
        text = "Requests by status; 499: the client disconnected first."
        family = CounterMetricFamily("notebook_api_requests", text, labels=["endpoint", "method", "status"])
        for labels, count in self.counters.requests().items():
            family.add_metric(labels, count)
        return family

    def _broken_off(self) -> Metric:
        text = "Responses whose body broke off after its status had been sent."
        family = CounterMetricFamily("notebook_api_responses_broken_off", text, labels=["endpoint", "method"])
        for labels, count in self.counters.broken_off().items():
            family.add_metric(labels, count)
        return family

    def _durations(self) -> Metric:
        text = "From a request's arrival at its kernel to its response."
        name = "notebook_api_request_duration_seconds"
        family = HistogramMetricFamily(name, text, labels=["endpoint", "method"])
        for labels, histogram in self.counters.durations().items():
            family.add_metric(labels, cumulate(histogram), histogram.seconds)
        return family

    def _gateway(self) -> Iterator[Metric]:
        slot = self.deployment.slots.serving_slot()
        gateway = self.deployment.slots.gateway(slot) if slot else None
        is_up = gateway is not None and gateway.ready
        up = "1 while a notebook is being served, else 0."
        yield GaugeMetricFamily("notebook_api_up", up, value=int(is_up))
        down = "1 while the API is down although it should be served, else 0."
        is_down = not is_up and self.deployment.missing_project() is not None
        yield GaugeMetricFamily("notebook_api_down", down, value=int(is_down))
        retries = "Attempts to start again what should be served and was down."
        yield CounterMetricFamily("notebook_api_retries", retries, value=self.deployment.backoff.total)
        kernels = "Kernels that accept requests."
        yield GaugeMetricFamily("notebook_api_kernels", kernels, value=gateway.kernels if gateway else 0)
        if gateway is None or gateway.queue is not None:
            queue = "Requests that wait for a kernel."
            yield GaugeMetricFamily("notebook_api_queue_length", queue, value=(gateway.queue or 0) if gateway else 0)

    def _build(self) -> Metric:
        settings = self.deployment.settings
        labels = {
            "version": settings.build_version,
            "revision": settings.build_revision,
            "python": platform.python_version(),
        }
        return InfoMetricFamily("notebook_api_build", "Version of this product.", value=labels)


def cumulate(histogram: Histogram) -> list[tuple[str, float]]:
    """(upper bound as text, requests that took no longer), as Prometheus expects it."""
    buckets, count = [], 0
    for bound in sorted(histogram.buckets):
        count += histogram.buckets[bound]
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(count)))
    return buckets
