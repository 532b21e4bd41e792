"""An address leads to an API that is served, or nowhere."""

import gc
import weakref
from pathlib import Path

import pytest

from control.config.run_dir import RunDir
from control.tools.api import NoAnswer
from control.tools.apis import Apis


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path)
    run.api_links.mkdir()
    for name in ("shop", "bank", ".shop.partial"):
        (run.api_links / name).symlink_to("../slots/0/blue")
    return run


@pytest.mark.parametrize(
    "slug",
    ["", ".", "..", "../apis/shop", "shop/", "./shop", "shop\0", "shop\n", "\0", ".shop.partial", "SHOP", "x" * 5000],
)
def test_a_name_that_is_no_served_apis_leads_nowhere(run: RunDir, slug: str) -> None:
    with pytest.raises(NoAnswer):
        Apis(run, 0).find(slug)


def test_without_a_default_and_without_a_run_directory_there_is_none(run: RunDir, tmp_path: Path) -> None:
    for each in (run, RunDir(tmp_path / "absent")):
        with pytest.raises(NoAnswer, match=r"^No notebook is being served\.$"):
            Apis(each, 0).find(None)


def test_a_default_that_is_not_served_is_none(run: RunDir) -> None:
    run.default_link.symlink_to("apis/absent")

    with pytest.raises(NoAnswer):
        Apis(run, 0).find(None)


def test_an_api_is_remembered_while_it_is_served(run: RunDir) -> None:
    run.default_link.symlink_to("apis/shop")
    apis = Apis(run, 0)
    remembered = [weakref.ref(apis.find("shop")), weakref.ref(apis.find(None))]
    assert [apis.find("shop"), apis.find(None)] == [each() for each in remembered]

    run.api_link("shop").unlink()
    apis.find("bank")
    gc.collect()
    assert [each() for each in remembered] == [None, None]
