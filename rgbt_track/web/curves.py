"""Score and branch weights over time, as a small SVG that the page shows while it tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 640, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 26, 20
_COLORS = {"score": "#1b1f24", "rgb": "#0072b2", "tir": "#d55e00", "fused": "#009e73"}
_OTHER = "#cc79a7"
_MOST_POINTS = 600


def curves_svg(title: str, curves: Mapping[str, Sequence[float | None]], length: int) -> str:
    """Curves in [0, 1] over frames 1 to ``length`` at least, with a legend of several.

    A curve has a gap where a value is ``None``. Of long ones every n-th value is drawn.
    """
    count = max([length, 2, *(len(values) for values in curves.values())])
    every = max(count // _MOST_POINTS, 1)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" '
        'style="width:100%;height:auto;background:#fff;font:11px system-ui,sans-serif">',
        f'<text x="{_LEFT}" y="15" font-weight="600" fill="#1b1f24">{escape(title)}</text>',
    ]
    for value in (0.0, 0.5, 1.0):
        y = _y(value)
        parts.append(
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#d0d7de"/>'
            f'<text x="6" y="{y + 4:.1f}" fill="#57606a">{value:.1f}</text>'
        )
    parts.append(
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end" fill="#57606a">'
        f"frame {count}</text>"
    )
    place = _WIDTH - _RIGHT
    for name, values in reversed(list(curves.items())):
        color = _COLORS.get(name, _OTHER)
        parts.append(
            f'<path d="{_path(values, every, count)}" fill="none" stroke="{color}" '
            'stroke-width="1.6"/>'
        )
        if len(curves) > 1:
            parts.append(
                f'<text x="{place}" y="15" text-anchor="end" font-weight="600" fill="{color}">'
                f"{escape(name)}</text>"
            )
            place -= 16 + 7 * len(name)
    return "".join(parts) + "</svg>"


def _y(value: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value)


def _path(values: Sequence[float | None], every: int, count: int) -> str:
    steps, pen = [], "M"
    for index in range(0, len(values), every):
        value = values[index]
        if value is None:
            pen = "M"
            continue
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * index / (count - 1)
        steps.append(f"{pen}{x:.1f} {_y(min(max(value, 0.0), 1.0)):.1f}")
        pen = "L"
    return "".join(steps)
