"""A pytest plugin for stock's own tests: what they send to stock in the same process goes to a slot.

Their `jp_fetch` becomes an HTTP client of a real slot; what they say to stock on its command line and in its
configuration (`jp_argv`, `jp_server_config`) becomes that slot's settings.
"""

import asyncio
import functools
import inspect
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError
from tornado.httputil import HTTPHeaders

from tests.support.slot import Slot

SETTINGS = {
    "KernelGatewayApp.prespawn_count": "KERNELS",
    "KernelGatewayApp.force_kernel_name": "KG_FORCE_KERNEL_NAME",
    "NotebookHTTPPersonality.static_path": "KG_STATIC_PATH",
    "NotebookHTTPPersonality.allow_notebook_download": "KG_ALLOW_NOTEBOOK_DOWNLOAD",
}
# These read a variable of the notebook that others change.
OF_A_FRESH_KERNEL = {"test_format_request_code_escaped_integration"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "timeout(seconds): as stock's tests give it")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests, as stock's own plugin does."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def jp_argv() -> list[str]:
    return []


@pytest.fixture(scope="session")
def start_slot() -> Iterator[Callable[..., Slot]]:
    """Starts one slot for all tests of the same notebook and settings, and one for each other `user`."""
    with ExitStack() as slots:
        yield functools.cache(lambda user, path, **settings: slots.enter_context(Slot(path=path, **settings)))


@pytest.fixture
def jp_fetch(
    request: pytest.FixtureRequest, jp_server_config: Any, jp_argv: list[str], start_slot: Callable[..., Slot]
) -> Callable[..., Awaitable[Any]]:
    options = dict(argument.removeprefix("--").split("=", 1) for argument in jp_argv)
    seed = options.pop("KernelGatewayApp.seed_uri", jp_server_config["KernelGatewayApp"]["seed_uri"])
    settings = {SETTINGS[name]: value for name, value in options.items()}
    # Their notebook has an endpoint with a syntax error, and is served all the same.
    user = request.node.name if request.node.name in OF_A_FRESH_KERNEL else ""
    return client(start_slot(user, Path(seed), ALLOW_BROKEN_ENDPOINTS="1", **settings))


def client(slot: Slot) -> Callable[..., "asyncio.Future[Any]"]:
    """Their fetch: parts of a path, then tornado's arguments; raises HTTPClientError from 400 on."""

    def fetch(
        *parts: str,
        method: str,
        params: dict[str, str] | None = None,
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> "asyncio.Future[Any]":
        path = "/" + "/".join(urllib.parse.quote(part) for part in parts)
        query = f"?{urllib.parse.urlencode(params)}" if params else ""

        def send() -> Any:
            answer = slot.request(method, path + query, body, headers)
            response = SimpleNamespace(code=answer.status, body=answer.body, headers=HTTPHeaders(answer.headers))
            if answer.status >= 400:
                raise HTTPClientError(answer.status, response=response)  # type: ignore[arg-type]
            return response

        return asyncio.ensure_future(asyncio.to_thread(send))

    return fetch
