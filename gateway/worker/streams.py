"""Bodies that a generator makes piece by piece: SyncStream, AsyncStream."""

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

_END = object()


def to_bytes(piece: Any) -> bytes:
    """A piece of a body that is sent as it is, str as UTF-8. TypeError: it is neither str nor bytes."""
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, (bytes, bytearray, memoryview)):  # bytes(5) would be five zeros
        return bytes(piece)
    raise TypeError(f"a response is streamed as str or bytes, not as {type(piece).__name__}")


class SyncStream:
    """The values of a generator, or of another iterable, each encoded by `encode`. `on_close` is called at the end."""

    is_async = False

    def __init__(
        self,
        values: Iterable[Any],
        encode: Callable[[Any], bytes] = to_bytes,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._values = iter(values)
        self._encode = encode
        self._on_close = on_close

    async def next_piece(self) -> bytes | None:
        value = next(self._values, _END)
        return None if value is _END else self._encode(value)

    async def close(self) -> None:
        try:
            if close := getattr(self._values, "close", None):
                close()
        finally:
            if self._on_close is not None:
                self._on_close()


class AsyncStream:
    """The same for an async generator, or another async iterable."""

    is_async = True

    def __init__(
        self,
        values: AsyncIterable[Any],
        encode: Callable[[Any], bytes] = to_bytes,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._values = aiter(values)
        self._encode = encode
        self._on_close = on_close

    async def next_piece(self) -> bytes | None:
        value = await anext(self._values, _END)
        return None if value is _END else self._encode(value)

    async def close(self) -> None:
        try:
            if close := getattr(self._values, "aclose", None):
                await close()
        finally:
            if self._on_close is not None:
                self._on_close()
