"""Which requests are counted under which labels."""

import pytest

from control.traffic.counters import Counters
from tests.support.records import batch, count


def test_rejections_are_counted_without_a_label_for_each_method_that_callers_make_up() -> None:
    counters = Counters()
    for method in ("POST", "POST", "X1", "X2"):
        counters.add_rejection("shop", method, 401)
    counters.add_rejection(None, "GET", 503)
    assert counters.requests() == {
        ("shop", "other", "POST", "401"): 2,
        ("shop", "other", "other", "401"): 2,
        ("", "other", "GET", "503"): 1,
    }


def test_requests_are_counted_by_project_endpoint_method_and_status_over_all_batches() -> None:
    counters = Counters()
    counters.add(batch(count("/a/:b", 200, [1, 2, 3]), count("/a/:b", 500, [0, 0, 1])))
    counters.add(batch(count("/a/:b", 200, [1, 0, 0]), count(None, 404, [5, 0, 0])))
    counters.add(batch(count("/a/:b", 200, [0, 1, 0]), project="b/deep"))
    assert counters.requests() == {
        ("shop", "/a/:b", "GET", "200"): 7,
        ("shop", "/a/:b", "GET", "500"): 1,
        ("shop", "other", "GET", "404"): 5,
        ("b/deep", "/a/:b", "GET", "200"): 1,
    }


def test_a_batch_that_does_not_say_its_project_is_counted_nowhere() -> None:
    counters, anonymous = Counters(), batch(count("/a", 200, [1, 0, 0]), deaths=1)
    del anonymous["project"]
    with pytest.raises(KeyError, match="project"):
        counters.add(anonymous)
    assert (counters.requests(), counters.kernel_deaths()) == ({}, {})
