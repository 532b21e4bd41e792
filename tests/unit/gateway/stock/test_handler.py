"""What is read from the output of a cell in another language."""

import pytest

from gateway.stock.handler import info_text
from gateway.stock.pool import Output


@pytest.mark.parametrize(
    "output",
    [
        Output(stdout=['{"status":', " 201}\n"], result={"text/plain": "ignored"}),
        Output(result={"text/plain": '{"status": 201}', "text/html": "<b>201</b>"}),
    ],
)
def test_a_response_info_is_what_the_cell_prints_or_ends_in(output: Output) -> None:
    assert info_text(output).replace("\n", "") == '{"status": 201}'


def test_a_response_info_without_output_is_empty() -> None:
    assert info_text(Output()) == ""
