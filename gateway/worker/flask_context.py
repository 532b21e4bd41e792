"""Flask's application and request context while an endpoint runs, as in a view; made when they are first touched.

Flask finds its contexts in two context variables. Each holds a stand-in, for all requests the same, whose attributes
are those of the context of the request that runs: so a request that does not touch them pays nothing.
"""

import builtins
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context, ContextVar, copy_context
from dataclasses import replace
from functools import cache, cached_property, partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, SimpleNamespace
from typing import Any

from gateway.http import wsgi
from gateway.http.request import Request
from gateway.http.response import Response
from gateway.worker import flask_compat
from gateway.worker.output import CURRENT

_GLOBALS = "flask.globals"
_VARIABLES = {"_cv_app": "flask.app_ctx", "_cv_request": "flask.request_ctx"}  # their names in Flask 2.2 to 3.1


def install(context: Context) -> None:
    """Have the contexts of Flask in `context` and its copies, whenever and by whomever Flask is imported.

    An application whose context the notebook has pushed is the application; else there is one without any settings.
    """
    module = sys.modules.get(_GLOBALS)
    if module is None:
        variables: dict[str, ContextVar[Any]] = {name: ContextVar(name) for name in _VARIABLES.values()}
        sys.meta_path.insert(0, _Finder(variables))
    elif all(hasattr(module, attribute) for attribute in _VARIABLES):
        variables = {name: getattr(module, attribute) for attribute, name in _VARIABLES.items()}
    else:  # another Flask, which keeps its contexts elsewhere: it says that there are none
        return
    app_variable, request_variable = variables.values()
    pushed = context.get(app_variable)
    new_app = _new_app if pushed is None else partial(getattr, pushed, "app")
    context.run(app_variable.set, _StandIn(new_app, "app_context"))
    context.run(request_variable.set, _StandIn(new_app, "request_context"))


class RequestContexts:
    """Both contexts of one request, pushed in a context (contextvars) of their own until `close`."""

    def __init__(self, app: Any, request: Request) -> None:
        self._app = app
        self._request = request
        self._context = copy_context()
        self.app_context = app.app_context()
        self._context.run(self.app_context.push)

    @cached_property
    def request_context(self) -> Any:
        """Made when it is needed: flask.abort and jsonify only read the application, which takes 4 µs and not 80."""
        context = self._app.request_context(wsgi.to_environ(self._request))
        self._context.run(context.push)
        # No route of the application matches, and none has to; the exception is a cycle that would keep the body alive.
        context.request.routing_exception = None
        return context

    def process(self, response: Response) -> Response:
        """`response` after the functions of `after_this_request`, and with the session's cookie. Raises as they do."""
        if "request_context" not in vars(self):
            return response
        pieces: Iterator[bytes] = iter(())  # stands for a stream, which only its call can read
        given = self._app.response_class(pieces if response.stream else response.body, int(response.status))
        given.headers = type(given.headers)(response.headers)
        processed = self._context.run(self._app.process_response, given)
        result = flask_compat.from_response(processed)
        if result is None:
            raise TypeError(f"a function of after_this_request returned no response, but {processed!r}")
        stream = response.stream if processed.response is pieces else result.stream
        return replace(result, stream=stream, error=response.error, traceback=response.traceback)

    def close(self) -> None:
        """Call the functions that the application has for the end of a request. Raises as they do."""
        try:
            if "request_context" in vars(self):
                self._context.run(self.request_context.pop, None)
        finally:
            self._context.run(self.app_context.pop, None)


class _StandIn:
    """Has the attributes of the current request's context `name`. RuntimeError: that request has been answered."""

    def __init__(self, find_app: Callable[[], Any], name: str) -> None:
        vars(self).update(_find_app=find_app, _name=name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._find(), name, value)

    def __enter__(self) -> Any:
        """For stream_with_context: the context is there until the stream has ended anyway."""
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def _find(self) -> Any:
        output = CURRENT.get()
        if output is None or output.request is None:
            raise RuntimeError("Working outside of request context: the request has been answered.")
        if output.contexts is None:
            output.contexts = RequestContexts(self._find_app(), output.request)
        return getattr(output.contexts, self._name)


class _Finder:
    """Has flask.globals, when it is imported, use `variables` as its context variables, in place of new ones.

    So they are there in the contexts of all calls, also of those that had begun before.
    """

    def __init__(self, variables: dict[str, ContextVar[Any]]) -> None:
        self._factory = _variable_factory(variables)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As importlib.abc.MetaPathFinder."""
        spec = PathFinder.find_spec(name, path, target) if name == _GLOBALS else None
        if spec is not None and spec.loader is not None:
            vars(spec.loader)["exec_module"] = partial(self._execute, spec.loader.exec_module)
        return spec

    def _execute(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": self._import}
        execute(module)

    def _import(self, name: str, *args: Any) -> Any:
        return SimpleNamespace(ContextVar=self._factory) if name == "contextvars" else __import__(name, *args)


def _variable_factory(variables: dict[str, ContextVar[Any]]) -> type:
    class Factory:
        """Stands in for the class ContextVar, which Flask 2.2 also subscripts."""

        def __new__(cls, name: str) -> Any:
            return variables.get(name) or ContextVar(name)

        def __class_getitem__(cls, _type: object) -> type:
            return cls

    return Factory


@cache
def _new_app() -> Any:
    import flask

    folder = os.getcwd()  # noqa: PTH109 - the notebook's, with its templates
    return flask.Flask("__main__", root_path=folder, instance_path=f"{folder}/instance", static_folder=None)
