"""Flask's contexts with the Flask that a notebook's environment has."""

import sys
from contextvars import ContextVar, copy_context
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

import pytest

from gateway.worker import flask_context

OF_FLASK_2_2 = """
import typing as t
from contextvars import ContextVar
def of(variable: ContextVar[t.Any]): return variable
_cv_app: ContextVar["AppContext"] = ContextVar("flask.app_ctx")
_cv_request: ContextVar["RequestContext"] = ContextVar("flask.request_ctx")
another: ContextVar[int] = ContextVar("another")
"""


@pytest.fixture(autouse=True)
def without_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    monkeypatch.delitem(sys.modules, "flask.globals", raising=False)


def test_a_flask_that_is_imported_later_takes_the_variables(tmp_path: Path) -> None:
    (tmp_path / "globals.py").write_text(OF_FLASK_2_2)
    context = copy_context()
    flask_context.install(context)
    spec = sys.meta_path[0].find_spec("flask.globals", [str(tmp_path)])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert type(module.another) is ContextVar
    assert [context.get(variable) is not None for variable in (module._cv_app, module._cv_request)] == [True, True]
    assert sys.meta_path[0].find_spec("flask.app", [str(tmp_path)]) is None


def test_a_flask_that_keeps_its_contexts_elsewhere_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flask.globals", ModuleType("flask.globals"))
    context = copy_context()
    before = dict(context)
    flask_context.install(context)
    assert dict(context) == before
