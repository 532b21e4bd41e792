"""What a kernel of another language prints while it starts."""

import asyncio
from typing import Any

import pytest

from gateway.arbiter.kernel_client import print_output


class Client:
    """Publishes these messages of one request."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)

    async def get_iopub_msg(self, timeout: float) -> dict[str, Any]:
        return {"parent_header": {"msg_id": "id"}, **self.messages.pop(0)}


def stream(text: str) -> dict[str, Any]:
    return {"msg_type": "stream", "content": {"text": text}}


IDLE = {"msg_type": "status", "content": {"execution_state": "idle"}}


def print_all(*texts: str) -> None:
    async def run() -> None:
        client = Client(*map(stream, texts), IDLE)
        await print_output(client, "id", asyncio.get_running_loop().create_future(), limit=10)

    asyncio.run(run())


def test_output_is_printed_up_to_the_limit_and_the_rest_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_all("1234567\n", "\x1b[31mab\x1b[0mcd", "e")
    note = "(3 more characters that this cell printed were dropped: MAX_OUTPUT_MB)"
    assert capsys.readouterr().out == f"1234567\nab\n{note}\n"


def test_output_within_the_limit_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_all("1234", "56789\n")
    assert capsys.readouterr().out == "123456789\n"
