"""Files below `/public/`."""

import os
from pathlib import Path

from gateway.http.request import Request
from gateway.http.static_files import StaticFiles


def test_what_is_no_regular_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("a page")
    os.mkfifo(tmp_path / "pipe")
    files = StaticFiles(str(tmp_path))

    for address in (b"/invoke", b"/apis/shop", b"/apis/sh%6Fp"):
        page = files.find(Request("GET", address + b"/public/page.html?x=1", {}, b""))
        assert page is not None
        assert page.body == b"a page"
    assert files.find(Request("GET", b"/invoke/public/pipe", {}, b"")) is None


def test_a_projects_variables_are_not_found_by_any_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY=secret")
    (tmp_path / "link").symlink_to(".env")
    files = StaticFiles(str(tmp_path))

    for name in (b".env", b"%2eenv", b"./.env", b"link"):
        assert files.find(Request("GET", b"/invoke/public/" + name, {}, b"")) is None
