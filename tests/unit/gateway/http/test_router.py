"""Which endpoint a path leads to."""

import pytest

from gateway.http.router import Router, allow_header


@pytest.fixture
def router() -> Router[str]:
    router: Router[str] = Router("/apis/my%20shop")
    for path in (
        "/j/:a/:b",
        "/j/:a/x",
        "/j/y/:b",
        "/",
        "/lit",
        "/lit.+",
        "/:a-b",
        "/deep/:x/end",
        "/:y/b/:z/q",
    ):
        router.add("GET", path, path)
    router.add("POST", "/lit", "posted")
    return router


@pytest.mark.parametrize(
    ("path", "target", "parameters"),
    [
        ("/invoke/lit", "/lit", {}),
        ("/invoke/lit/", "/lit", {}),
        ("/invoke", "/", {}),
        ("/invoke/", "/", {}),
        ("/invoke/j/1/x", "/j/:a/x", {"a": "1"}),
        ("/invoke/j/1/2", "/j/:a/:b", {"a": "1", "b": "2"}),
        ("/invoke/j/y/x", "/j/y/:b", {"b": "x"}),
        ("/invoke/j/a%2Fb/%C3%A9+", "/j/:a/:b", {"a": "a/b", "b": "é+"}),
        ("/invoke/li%74", "/lit", {}),
        ("/invoke/lit.+", "/lit.+", {}),
        ("/invoke/anything", "/:a-b", {"a-b": "anything"}),
        ("/invoke/deep/b/c/q", "/:y/b/:z/q", {"y": "deep", "z": "c"}),
        ("/%69nvoke/lit", "/lit", {}),
        ("/apis/my%20shop/lit", "/lit", {}),
        ("/apis/m%79%20shop/lit", "/lit", {}),
        ("/apis/my%20shop", "/", {}),
        ("/apis/my%20shop/", "/", {}),
        ("/apis/my%20shop/j/1/2", "/j/:a/:b", {"a": "1", "b": "2"}),
        ("/%61pis/%FF/j/a%2Fb/x", "/j/:a/x", {"a": "a/b"}),
        ("/apis/apis/invoke", "/:a-b", {"a-b": "invoke"}),
    ],
)
def test_paths_lead_to_the_most_literal_endpoint(
    router: Router[str], path: str, target: str, parameters: dict[str, str]
) -> None:
    result = router.find("GET", path.encode())
    assert result is not None
    assert (result.target, result.path) == (target, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/lit",
        "/invoke//",
        "/invoke/j/1",
        "/invoke/j//x",
        "/invoke/deep/x/end/y",
        "/apis",
        "/apis/s//",
        "*",
    ],
)
def test_other_paths_lead_nowhere(router: Router[str], path: str) -> None:
    assert router.find("GET", path.encode()) is None


def test_a_wrong_method_is_told_the_right_ones(router: Router[str]) -> None:
    result = router.find("DELETE", b"/invoke/lit")
    assert result is not None
    assert result.target is None
    assert allow_header(result.allowed) == "GET, POST, HEAD, OPTIONS"


def test_a_method_is_looked_for_at_less_literal_paths_too() -> None:
    router: Router[str] = Router()
    router.add("GET", "/a/x", "literal")
    router.add("POST", "/a/:p", "parameter")
    result = router.find("POST", b"/invoke/a/x")
    assert result is not None
    assert (result.target, result.path) == ("parameter", {"p": "x"})


def test_an_encoded_slash_in_a_route_or_a_path_separates_nothing() -> None:
    router: Router[str] = Router("/apis/my%20shop")
    for path in ("/a%2Fb", "/a/b", "/c%2fd/:p", "/x%252Fy", "/%3Aid", "/p/:id"):
        router.add("GET", path, path)

    def find(path: str) -> tuple[str | None, dict[str, str]] | None:
        match = router.find("GET", f"/invoke{path}".encode())
        return match and (match.target, match.path)

    assert find("/a%2Fb") == find("/a%2fb") == ("/a%2Fb", {})
    assert find("/a/b") == find("/a/b/") == ("/a/b", {})
    assert find("/c%2Fd/e%2Ff") == ("/c%2fd/:p", {"p": "e/f"})
    assert find("/c/d/e") is None
    assert find("/x%252Fy") == ("/x%252Fy", {})
    assert find("/x%2Fy") is None
    assert find("/:id") == find("/%3Aid") == ("/%3Aid", {})
    assert find("/anything") is None
    assert find("/p/%3Aq") == ("/p/:id", {"id": ":q"})
