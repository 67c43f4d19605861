"""Tables as a notebook shows them, legible on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_STYLE = "border-collapse:collapse;font-size:90%;font-variant-numeric:tabular-nums"
_CELL = "padding:2px 10px;border-bottom:1px solid rgba(128,128,128,.35);background:none"


def _shown(value: Any) -> tuple[str, str]:
    """A value as text, and the side that its column leans to."""
    if value is None:
        return "–", "right"
    if isinstance(value, bool):
        return ("yes" if value else "no"), "left"
    if isinstance(value, int):
        return f"{value:,}", "right"
    if isinstance(value, float):
        return f"{value:.4g}", "right"
    if isinstance(value, Mapping):
        return escape(" x ".join(str(v) for v in value.values())), "left"
    if isinstance(value, (list, tuple)):
        return escape(" x ".join(str(v) for v in value)), "left"
    return escape(str(value)), "left"


def table(rows: Iterable[Mapping[str, Any]], *, caption: str | None = None, most: int = 60) -> str:
    """An HTML table of rows with the same keys; after `most` rows the rest is counted."""
    every = list(rows)
    heads = list(every[0]) if every else []
    out = [f'<table style="{_STYLE}">']
    if caption is not None:
        out.append(f'<caption style="text-align:left">{escape(caption)}</caption>')
    cells = "".join(
        f'<th style="{_CELL};text-align:left">{escape(head.replace("_", " "))}</th>'
        for head in heads
    )
    out.append(f"<thead><tr>{cells}</tr></thead><tbody>")
    for row in every[:most]:
        shown = [_shown(row.get(head)) for head in heads]
        cells = "".join(
            f'<td style="{_CELL};text-align:{side}">{text}</td>' for text, side in shown
        )
        out.append(f"<tr>{cells}</tr>")
    if len(every) > most:
        out.append(
            f'<tr><td style="{_CELL}" colspan="{len(heads)}">and {len(every) - most} more</td></tr>'
        )
    out.append("</tbody></table>")
    return "".join(out)
