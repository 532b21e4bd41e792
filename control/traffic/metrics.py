"""`/process/metrics`: what Prometheus asks for. https://prometheus.io/docs/instrumenting/exposition_formats/"""

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
    """Gathers all of it at the moment in which it is asked for."""

    def __init__(self, api: Deployment, totals: Counters) -> None:
        self.api = api
        self.totals = totals
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def describe(self) -> list[Metric]:
        """Nothing, so that registering asks no gateway."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield self._requests()
        yield self._durations()
        yield from self._gateway()
        deaths = "Kernels that ended, or were ended, and were replaced."
        yield CounterMetricFamily("notebook_api_kernel_deaths", deaths, value=self.totals.kernel_deaths)
        restarts = "Starts and restarts of the API, those that failed included."
        yield CounterMetricFamily("notebook_api_restarts", restarts, value=self.api.restarts)
        failed = "Starts and restarts of the API that failed: what was served before goes on."
        yield CounterMetricFamily("notebook_api_failed_restarts", failed, value=self.api.failed_restarts)
        yield self._build()

    def _requests(self) -> Metric:
        text = "Requests that were answered, refused, or given up by their callers (499)."
        family = CounterMetricFamily("notebook_api_requests", text, labels=["endpoint", "method", "status"])
        for kind, count in self.totals.requests().items():
            family.add_metric(kind, count)
        return family

    def _durations(self) -> Metric:
        text = "From a request's arrival at its kernel to its answer."
        name = "notebook_api_request_duration_seconds"
        family = HistogramMetricFamily(name, text, labels=["endpoint", "method"])
        for labels, durations in self.totals.durations().items():
            family.add_metric(labels, cumulative(durations), durations.seconds)
        return family

    def _gateway(self) -> Iterator[Metric]:
        slot = self.api.slots.serving_slot()
        gateway = self.api.slots.gateway(slot) if slot else None
        up = "1 while a notebook is being served, else 0."
        yield GaugeMetricFamily("notebook_api_up", up, value=1 if gateway and gateway.ready else 0)
        kernels = "Kernels that take requests now."
        yield GaugeMetricFamily("notebook_api_kernels", kernels, value=gateway.kernels if gateway else 0)
        if gateway is None or gateway.queue is not None:
            queue = "Requests that wait for a kernel now."
            yield GaugeMetricFamily("notebook_api_queue_length", queue, value=(gateway.queue or 0) if gateway else 0)

    def _build(self) -> Metric:
        settings = self.api.settings
        about = {
            "version": settings.build_version,
            "revision": settings.build_revision,
            "python": platform.python_version(),
        }
        return InfoMetricFamily("notebook_api_build", "What this is.", value=about)


def cumulative(durations: Histogram) -> list[tuple[str, float]]:
    """(upper bound as text, requests that took no longer), as a histogram has it."""
    found, count = [], 0
    for bound in sorted(durations.buckets):
        count += durations.buckets[bound]
        found.append(("+Inf" if bound == float("inf") else str(bound), float(count)))
    return found
