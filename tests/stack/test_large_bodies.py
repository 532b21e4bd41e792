"""Where bodies of requests wait, and how many of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from requests import Response

from tests.support.half_sent import HalfSent
from tests.support.stack import API_USER, OWNER, Stack, as_json
from tests.support.waiting import eventually

LIMIT = 2
LARGE = 2_000_000
CELLS = ["import json", "# POST /size\nprint(len(json.loads(REQUEST)['body']))"]
PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}


@pytest.fixture(scope="module")
def limited_stack() -> Iterator[Stack]:
    """A stack in which few large bodies may be under way, and whose API says how long a body was."""
    with Stack(LARGE_BODY_LIMIT=str(LIMIT), CORS_ORIGINS="https://app.example") as stack:
        stack.start()
        stack.serve("size", CELLS)
        yield stack


def list_buffered_files(stack: Stack) -> list[str]:
    """The files that nginx keeps parts of bodies in; it takes their names away as soon as it has made them."""
    worker = stack.process("nginx: worker")
    files = []
    for descriptor in Path(f"/proc/{worker.pid}/fd").iterdir():
        with suppress(OSError):
            files.append(str(descriptor.readlink()))
    return [file for file in files if "/bodies/body/" in file]


def send_much(request: HalfSent) -> None:
    """More than nginx keeps in memory, as far as it takes it."""
    with suppress(OSError):
        for _ in range(8):
            request.send(b"x" * 128 * 1024)


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/healthz", "POST", {}),
        ("/healthz", "GET", {}),
        ("/healthz", "PUT", {}),
        ("/process/../healthz", "POST", {}),
        ("/invoke", "POST", {}),
        ("/apis/size", "POST", {}),
        ("/apis/size/size", "POST", {}),
        ("/apis/nobody/size", "POST", {}),
        ("/jupyter", "POST", {}),
        ("/invoke/size", "OPTIONS", PREFLIGHT),
        ("/invoke/size", "POST", {}),
        ("/process/upload", "POST", {}),
        ("/jupyter/api/contents/x", "PUT", {}),
        ("/static/x", "POST", {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("length", [50_000_000, None], ids=["announced", "in chunks"])
def test_nothing_is_stored_for_whoever_gives_no_password(
    limited_stack: Stack, path: str, method: str, headers: dict[str, str], length: int | None
) -> None:
    with HalfSent(limited_stack.port, path, length, method=method, headers=headers) as request:
        send_much(request)

        assert request.status() in {204, 308, 401, 405, 413}
        assert list_buffered_files(limited_stack) == []


def test_the_body_of_a_caller_with_a_password_waits_in_the_folder_for_bodies(limited_stack: Stack) -> None:
    with HalfSent(limited_stack.port, "/invoke/size", LARGE, API_USER) as request:
        send_much(request)

        (file,) = eventually(lambda: list_buffered_files(limited_stack), 5, "a file with the body")
        assert file.startswith(str(limited_stack.run_dir))


def test_healthz_says_what_it_takes(limited_stack: Stack) -> None:
    answer = limited_stack.post("/healthz", auth=None, data=b"x" * 1000)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert "without a body" in as_json(answer)["message"]
    assert limited_stack.request("HEAD", "/healthz", auth=None).status_code == 200


def test_more_large_bodies_than_the_limit_are_refused_until_there_is_room(limited_stack: Stack) -> None:
    with ExitStack() as requests:
        for _ in range(LIMIT):
            requests.enter_context(HalfSent(limited_stack.port, "/invoke/size", LARGE, API_USER))

        (answer,) = eventually(lambda: refusal(limited_stack), 5, "a refusal")

        assert answer.headers["Retry-After"] == "1"
        assert as_json(answer)["extensions"]["code"] == "too-many-large-bodies"
        assert f"{LIMIT} requests" in as_json(answer)["message"]
        assert limited_stack.invoke("size", "POST", data=b"x" * 900_000, auth=API_USER).text.strip() == "900000"
        assert limited_stack.post("/process/reload?on=0", data=b"x" * LARGE).status_code == 200, (
            "the owner has places too"
        )

    eventually(lambda: post_large(limited_stack).text.strip() == str(LARGE), 5, "room for another")


def refusal(stack: Stack) -> list[Response]:
    """The answer to another large body, if that is a refusal; such a Response counts as false by itself."""
    return [answer for answer in [post_large(stack)] if answer.status_code == 503]


def post_large(stack: Stack) -> Response:
    return stack.invoke("size", "POST", data=b"x" * LARGE, auth=API_USER)


def test_large_bodies_to_one_api_take_no_places_of_another(limited_stack: Stack) -> None:
    def post(project: str) -> int:
        return limited_stack.post(f"/apis/{project}/size", data=b"x" * LARGE, auth=API_USER).status_code

    limited_stack.write("other", CELLS)
    assert limited_stack.start_api("other").status_code == 200
    with ExitStack() as requests:
        for length in [LARGE, None] * LIMIT:
            requests.enter_context(HalfSent(limited_stack.port, "/apis/other/size", length, API_USER))
        eventually(lambda: post("other") == 503, 5, "a refusal")

        assert post("size") == 200
    assert limited_stack.stop_api("other").status_code == 200


@pytest.mark.parametrize("length", [LARGE, None], ids=["announced", "in chunks"])
def test_nothing_is_stored_and_no_place_taken_where_no_api_is(limited_stack: Stack, length: int | None) -> None:
    with ExitStack() as requests:
        for _ in range(2 * LIMIT):
            request = requests.enter_context(HalfSent(limited_stack.port, "/apis/nobody/size", length, API_USER))
            send_much(request)
            assert request.status() == 503
        assert list_buffered_files(limited_stack) == []

    assert post_large(limited_stack).text.strip() == str(LARGE)


def test_a_header_whose_name_is_nearly_content_length_does_not_hide_a_large_body(limited_stack: Stack) -> None:
    with ExitStack() as requests:
        for _ in range(LIMIT):
            headers = {"Content_Length": "1"}
            requests.enter_context(HalfSent(limited_stack.port, "/invoke/size", LARGE, API_USER, headers=headers))

        assert eventually(lambda: refusal(limited_stack), 5, "a refusal")


def test_a_body_of_unknown_length_passes_while_it_is_small(limited_stack: Stack) -> None:
    with ExitStack() as requests:
        waiting = [
            requests.enter_context(HalfSent(limited_stack.port, "/invoke/size", None, API_USER)) for _ in range(LIMIT)
        ]
        large, small = (
            requests.enter_context(HalfSent(limited_stack.port, "/invoke/size", None, API_USER)) for _ in range(2)
        )

        small.send(b"x" * 1000)
        assert small.finish() == 200
        with suppress(OSError):
            for _ in range(20):
                large.send(b"x" * 128 * 1024)
        assert large.status() == 503
        for request in waiting:
            request.send(b"x" * LARGE)
            assert request.finish() == 200


def test_very_many_bodies_of_medium_size_are_bounded_too(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(QUEUE_LIMIT="1").start()
    stack.serve("size", CELLS)
    with ExitStack() as requests:
        for _ in range(501):
            requests.enter_context(HalfSent(stack.port, "/invoke/size", 10_000, API_USER))

        def answer(size: int) -> int:
            return stack.invoke("size", "POST", data=b"x" * size, auth=API_USER).status_code

        eventually(lambda: answer(20_000) == 503, 5, "a refusal")
        assert answer(9_000) == 200


def test_callers_without_a_password_take_no_places(limited_stack: Stack) -> None:
    with ExitStack() as requests:
        for auth in (None, (OWNER[0], "not-the-password")):
            for _ in range(2 * LIMIT):
                request = requests.enter_context(HalfSent(limited_stack.port, "/invoke/size", LARGE, auth))
                assert request.status() == 401

        assert post_large(limited_stack).text.strip() == str(LARGE)


def test_a_body_that_nginx_cannot_store_is_an_error_as_json(limited_stack: Stack) -> None:
    folder = limited_stack.run_dir / "bodies" / "body"
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    try:
        answer = post_large(limited_stack)
    finally:
        elsewhere.rename(folder)

    assert (answer.status_code, as_json(answer)["extensions"]["code"]) == (500, "internal-error")
    assert post_large(limited_stack).text.strip() == str(LARGE)


def test_the_refusal_is_shown_with_the_other_calls(limited_stack: Stack) -> None:
    with ExitStack() as requests:
        for _ in range(LIMIT):
            requests.enter_context(HalfSent(limited_stack.port, "/invoke/size", LARGE, API_USER))
        eventually(lambda: refusal(limited_stack), 5, "a refusal")

    eventually(lambda: [call for call in limited_stack.calls() if call["status"] == 503 and call["refused"]], 5)
