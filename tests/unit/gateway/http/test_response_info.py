"""Output of ResponseInfo cells that is invalid."""

import pytest

from gateway.http.response_info import read
from tests.support.notebooks import DEEP


def test_json_that_is_nested_too_deeply_is_invalid() -> None:
    with pytest.raises(ValueError, match="must print JSON"):
        read(DEEP.encode())
