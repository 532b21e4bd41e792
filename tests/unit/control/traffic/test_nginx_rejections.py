"""Which project a request that nginx rejected is counted for."""

import json
from pathlib import Path
from typing import Any

import pytest

from control.config.run_dir import RunDir, point_link, write_json
from control.traffic.nginx_rejections import NginxRejections
from tests.support.records import rejection

DEEP = "b/deep äöü%?"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Two projects are served, of which `shop` is the default one."""
    run = RunDir(tmp_path)
    run.api_links.mkdir()
    for name in ("shop", DEEP):
        api = run.api(name)
        api.slot("blue").mkdir(parents=True)
        write_json(api.project, {"name": name})
        point_link(api.link, api.slot("blue"))
    point_link(run.default_link, run.api_link("shop"))
    return run


def reject(run: RunDir, **changes: Any) -> tuple[str | None, dict[str, Any]]:
    """The project and the record that are stored."""
    stored: list[tuple[str | None, dict[str, Any]]] = []
    rejections = NginxRejections(run, lambda project, record: stored.append((project, record)))
    rejections.add(json.dumps(rejection(**changes)).encode())
    return stored[0]


@pytest.mark.parametrize(
    ("target", "project"),
    [
        ("/invoke/a?b=1", "shop"),
        ("/mcp", "shop"),
        ("/apis/shop/a", "shop"),
        ("/apis/shop/mcp", "shop"),
        ("/apis/%73hop/a", "shop"),
        ("//apis//shop/a", "shop"),
        ("/invoke/../apis/%2e/shop/a", "shop"),
        ("/apis/b.deep%20%C3%A4%C3%B6%C3%BC%25%3F/a", DEEP),
        ("/apis/b.deep äöü%25%3F/a", DEEP),
        ("/apis/none/a", None),
        ("/apis/b/deep/a", None),
        ("/apis/", None),
        ("/apis/../a", None),
        ("/apis/%2e%2e/shop", None),
        ("/apis/%00/a", None),
        ("/apis/%FF/a", None),
        (f"/apis/{'x' * 5000}/a", None),
        ("/process/status", None),
        ("apis/../../x", None),
        ("*", None),
        ("", None),
    ],
)
def test_the_project_is_the_one_that_is_served_at_the_address(run: RunDir, target: str, project: str | None) -> None:
    assert reject(run, target=target)[0] == project


def test_there_is_no_project_where_none_is_served(run: RunDir) -> None:
    run.default_link.unlink()
    assert reject(run, target="/invoke/a")[0] is None
    assert reject(run, target="/apis/shop/a")[0] == "shop"
    run.api_link("shop").unlink()
    assert reject(run, target="/apis/shop/a")[0] is None


def test_the_record_has_neither_the_query_nor_the_password(run: RunDir) -> None:
    _, record = reject(run, target="/invoke/a?token=secret", status="401", has_authorization="1")
    assert (record["path"], record["status"], record["is_rejected"]) == ("/invoke/a", 401, True)
    assert ["Authorization", None] in record["request"]["headers"]
