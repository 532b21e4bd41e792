"""The personality for Python notebooks, whose kernels serve HTTP themselves.

KernelGatewayApp loads the module that its setting `api` names, and calls `create_personality`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from kernel_gateway.base.handlers import NotFoundHandler
from kernel_gateway.notebook_http.cell.parser import create_parser
from kernel_gateway.notebook_http.swagger.builders import SwaggerSpecBuilder
from traitlets.config.configurable import LoggingConfigurable

from gateway.arbiter import queue_length
from gateway.arbiter.channel import WorkerChannels
from gateway.arbiter.crash_verdicts import Verdict
from gateway.arbiter.pool import Pool
from gateway.http.regular_file import read_regular
from gateway.notebook import annotations, endpoint_docs, function_docs, openapi
from gateway.notebook.endpoint_docs import EndpointDoc
from gateway.notebook.failure import Failure, NotebookError
from gateway.protocol.messages import Config, Endpoint, Message, StaticText

SWAGGER = "/_api/spec/swagger.json"
SOURCE = "/_api/source"


class EnginePersonality(LoggingConfigurable):  # type: ignore[misc]
    """The interface that KernelGatewayApp and GatewayApp expect, for the engine."""

    def __init__(self, **kwargs: Any) -> None:
        """Raises NotebookError if the notebook has no endpoint."""
        super().__init__(**kwargs)
        self.api = annotations.parse(self.parent.notebook.cells)
        self.text, self.docs = endpoint_docs.read(self.parent.notebook.content.cells, endpoint_keys)
        if not self.api.endpoints:
            hints = [f"Cell {p.cell}, line {p.line}: {p.message}" for p in self.api.problems]
            reason = "no cell begins with a comment such as # GET /hello_world"
            raise NotebookError.outside_cells("NoEndpoints", ". ".join([reason, *hints[:3]]))
        for error in self.api.errors:
            where = f"Cell {error.cell}, line {error.line}: DuplicateEndpoint: {error.message}"
            raise NotebookError(Failure(error.cell, error.line, "DuplicateEndpoint", error.message, where))
        self.functions = self.api.functions
        self.endpoints = [_describe(endpoint, self.docs) for endpoint in self.api.endpoints]
        settings = self.parent.slot
        self.channels: WorkerChannels | None = None
        self.pool: Pool | None = None
        self.worker_config = Config(
            endpoints=tuple(self.api.endpoints),
            project=settings.project,
            address=settings.address,
            kernels=settings.kernels,
            request_timeout_s=settings.request_timeout,
            max_body_bytes=settings.max_body_mb * 1024 * 1024,
            max_output_bytes=settings.max_output_mb * 1024 * 1024,
            show_traceback=settings.show_tracebacks,
            static=self._static(),
            public=settings.public,
            allow_broken=settings.allow_broken_endpoints,
            records=settings.records,
            inspect=settings.inspect,
        )

    async def init_configurables(self) -> None:
        """Start the kernels; KernelGatewayApp runs this as a task and ignores its exceptions."""
        await self.parent.start_serving(self._start)

    async def _start(self) -> None:
        app = self.parent
        self.channels = WorkerChannels(app.slot.workers_socket)
        config, limit = self.worker_config, app.slot.start_timeout
        self.pool = Pool(app.kernel_manager, self.channels, app.listener, config, self.document, limit, app.log)
        self.pool.on_death = app.observer.recorder.record_death
        self.pool.outage.on_rejection = app.observer.record_rejection
        await self.pool.start(app.slot.kernels)

    def create_request_handlers(self) -> list[tuple[Any, ...]]:
        """The kernels serve all requests, KernelGatewayApp's web application none."""
        return [(r"/(.*)", NotFoundHandler)]

    def should_seed_cell(self, code: str) -> bool:
        """Whether a cell is ordinary: run once in each new kernel."""
        return annotations.read(code) is None

    async def drain(self) -> None:
        """Answer all requests that have reached this slot."""
        if self.pool:
            await self.pool.drain()
        if self.channels:
            self.channels.close()

    async def shutdown(self) -> None:
        """Unused part of the interface: GatewayApp ends the kernels."""

    def status(self) -> dict[str, Any]:
        """What the admin API reports beside the readiness."""
        pool = self.pool
        return {
            "endpoints": self.endpoints,
            "problems": [asdict(problem) for problem in self.api.problems],
            "kernels": len(pool.live_workers()) if pool else 0,
            "kernel_deaths": pool.deaths if pool else 0,
            "queue": queue_length.count(self.parent.listener),
        }

    async def explain(self, request_id: str, started: float) -> Verdict | None:
        """Why nginx got no response to a request; None if no kernel died in it. `started`: monotonic."""
        return await self.pool.explain(request_id, started) if self.pool else None

    def document(self, description: Message) -> dict[str, StaticText]:
        """The OpenAPI document, with a worker's description of the functions; also for `status`."""
        docs = function_docs.add(self.docs, self.api.endpoints, description)
        examples = function_docs.add(docs, self.api.endpoints, description, with_examples=True)
        self.endpoints = [_describe(endpoint, examples) for endpoint in self.api.endpoints]
        slot = self.parent.slot
        text = build_openapi(slot.project, self.text, self.api.endpoints, docs, description)
        return {openapi.PATH: openapi.serve(text, slot.address)}

    def _static(self) -> dict[str, StaticText]:
        app = self.parent
        documents = {SWAGGER: StaticText("application/json", self._swagger())}
        if app.slot.allow_notebook_download:
            kind = "text/x-python; charset=utf-8" if app.notebook.text else "application/x-ipynb+json"
            documents[SOURCE] = StaticText(kind, read_regular(app.notebook.path).decode())
        return documents

    def _swagger(self) -> str:
        builder = SwaggerSpecBuilder(create_parser(comment_prefix="#", log=self.log))
        builder.set_default_title(str(self.parent.notebook.path))
        for source in annotations.normalize(self.parent.notebook.cells):
            builder.add_cell(source)
        return json.dumps(builder.build())


def build_openapi(
    project: str,
    text: str,
    endpoints: Sequence[Endpoint],
    docs: Mapping[endpoint_docs.Key, EndpointDoc],
    description: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The OpenAPI document of a notebook; `text` and `docs` are what it says of itself and its endpoints.

    `description` is what a worker says of its functions (gateway.worker.function_schema).
    """
    functions = description.get("functions", {})
    operations = [
        openapi.Operation(
            endpoint.method,
            endpoint.path,
            "\n".join(cell.source for cell in endpoint.response_cells),
            functions.get(str(index)),
        )
        for index, endpoint in enumerate(endpoints)
    ]
    return openapi.build(project, text, operations, docs, description.get("schemas", {}))


def _describe(endpoint: Endpoint, docs: Mapping[endpoint_docs.Key, EndpointDoc]) -> dict[str, Any]:
    """{"method", "path"}, and if it has them, its `function` and an `example`: {"path", "body"} of a request."""
    doc = docs.get((endpoint.method, endpoint.path), EndpointDoc())
    parts = {"function": endpoint.function, "example": doc.request(endpoint.path)}
    return {"method": endpoint.method, "path": endpoint.path, **{name: part for name, part in parts.items() if part}}


def endpoint_keys(source: str) -> Sequence[endpoint_docs.Key]:
    """The endpoints that a Python cell belongs to."""
    annotation = annotations.read(source)
    return annotation.keys if annotation and not annotation.is_response_info else ()


create_personality = EnginePersonality
