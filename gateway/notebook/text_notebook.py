"""Notebooks as text: `server.py` in jupytext's percent format, for the gateway and for Jupyter.

https://jupytext.readthedocs.io/en/latest/formats-scripts.html#the-percent-format
"""

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

FORMAT = "py:percent"


def is_text(path: str | PurePath) -> bool:
    """Whether a notebook of that name is stored as text."""
    return PurePath(path).suffix == ".py"


def read(text: str) -> Any:
    """The notebook, in nbformat's form. ValueError and others: its header cannot be read, or it is JSON."""
    import jupytext  # takes 50 ms of a gateway's start

    if text.lstrip().startswith("{") and _is_json(text):
        raise ValueError("its content is JSON. Name it server.ipynb")
    content = jupytext.reads(text.removeprefix("\ufeff"), FORMAT)
    # Jupyter would ask for the kernel of a notebook that names none.
    content.metadata.setdefault(
        "kernelspec", {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    )
    return content


def write(content: Any) -> str:
    """The text of a notebook in nbformat's form."""
    import jupytext

    text: str = jupytext.writes(content, FORMAT)
    return text


def find_line(text: str, sources: Sequence[str], number: int) -> int | None:
    """The line of the text on which the code cell of that number begins, both from 1; `sources` are of all code cells.

    None for one that begins with a magic, which is a comment in the text.
    """
    text = "\n" + "\n".join(text.removeprefix("\ufeff").splitlines())
    end, start = 0, -1
    for source in sources[:number]:
        first, _, _ = source.partition("\n")
        places = (text.find(begin, end) for begin in (f"\n{source}", f"\n{first}\n"))
        start = next((place for place in places if place >= 0), -1)
        end = max(end, start + 1)
    return text.count("\n", 0, start + 1) if start >= 0 else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
