"""Keyword arguments as the flags of the program that have the same names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any


def flags(arguments: dict[str, Any]) -> list[str]:
    """The flags that keyword arguments stand for.

    ``lr_schedule="cosine"`` is ``--lr-schedule cosine``, ``nesterov=True`` is ``--nesterov``, a
    list is joined by commas, and ``None`` leaves a flag out.
    """
    out: list[str] = []
    for name, value in arguments.items():
        if value is None or value is False:
            continue
        flag = "--" + name.replace("_", "-")
        if value is True:
            out.append(flag)
        else:
            out.append(f"{flag}={text(value)}")
    return out


def text(value: Any) -> str:
    """A value as the command line has it."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, Iterable):
        return ",".join(text(v) for v in value)
    return str(value)
