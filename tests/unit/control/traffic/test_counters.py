"""Which requests are counted under which labels."""

from control.traffic.counters import Counters
from tests.support.records import batch, count


def test_rejections_are_counted_without_a_label_for_each_method_that_callers_make_up() -> None:
    counters = Counters()
    for method in ("POST", "POST", "X1", "X2"):
        counters.add_rejection(method, 401)
    assert counters.requests() == {("other", "POST", "401"): 2, ("other", "other", "401"): 2}


def test_requests_are_counted_by_endpoint_method_and_status_over_all_batches() -> None:
    counters = Counters()
    counters.add(batch(count("/a/:b", 200, [1, 2, 3]), count("/a/:b", 500, [0, 0, 1])))
    counters.add(batch(count("/a/:b", 200, [1, 0, 0]), count(None, 404, [5, 0, 0])))
    assert counters.requests() == {
        ("/a/:b", "GET", "200"): 7,
        ("/a/:b", "GET", "500"): 1,
        ("other", "GET", "404"): 5,
    }
