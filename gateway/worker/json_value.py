"""Writes a value as JSON: what pydantic knows, and what NumPy, pandas and polars make."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import to_json

TABLES, LISTS = ("to_dicts", "to_dict"), ("tolist", "to_list")  # methods by which data of other packages is known
_NOT_A_TIME = "'float' object cannot be interpreted as an integer"
_KINDS = re.compile(r"^(Error serializing to JSON: )?(\w+Error: )?")


def dump_json(value: Any) -> bytes:
    """JSON as pydantic writes it; NaN, which JSON does not have, as null. TypeError: it cannot be written."""
    try:
        try:
            return _write(value)
        except ValueError as error:
            if _NOT_A_TIME not in str(error):
                raise
            return _write(_without_nat(value))
    except ValueError as error:  # pydantic's own, around that of _to_plain
        reason = _KINDS.sub("", str(error))
        if reason.startswith("invalid utf-8"):
            reason = "bytes that are not UTF-8 have no form as JSON: encode them, in base64 for example"
        raise TypeError(reason) from None


def _write(value: Any) -> bytes:
    return to_json(value, fallback=_to_plain, inf_nan_mode="null")


def _without_nat(value: Any) -> Any:
    """The value with None for pandas' NaT, which pydantic takes for a datetime and cannot write."""
    if isinstance(value, dict):
        return {name: _without_nat(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nat(each) for each in value]
    return None if type(value).__name__ == "NaTType" else value


def _to_plain(value: Any) -> Any:
    """What pydantic does not know: arrays, scalars and tables of NumPy, pandas and polars. TypeError: neither do we."""
    if hasattr(value, "to_dicts"):  # a DataFrame of polars
        return value.to_dicts()
    if hasattr(value, "to_dict") and hasattr(value, "columns"):  # a DataFrame of pandas
        return value.astype(object).where(value.notna(), None).to_dict("records")
    if hasattr(value, "to_list") and hasattr(value, "notna") and getattr(value, "nlevels", 1) == 1:  # a Series
        return value.astype(object).where(value.notna(), None).to_list()
    for name in (*LISTS, "_repr_json_"):
        if hasattr(value, name):
            return getattr(value, name)()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection):  # a range, keys of a dictionary
        return list(value)
    kind = type(value)
    if kind.__name__ in ("NAType", "NaTType"):
        return None
    if kind.__name__ in ("Period", "Interval"):  # of pandas
        return str(value)
    raise TypeError(f"a {kind.__module__}.{kind.__qualname__} has no form as JSON: return a dictionary, a list or text")
