# SPDX-License-Identifier: MIT
"""Bars and percentile curves as inline SVG, in the colors of the page's style sheet."""

import math
from dataclasses import dataclass
from html import escape

from bench_results import show_time

KNOWN = {"pinion", "mutex_pool", "onetbb", "std_thread", "std_async", "mutex_pool_queue",
         "go"}
WIDTH = 520


@dataclass
class Bar:
    label: str
    library: str
    value: float
    low: float
    high: float
    says: str


@dataclass
class Line:
    label: str
    library: str
    points: list  # [(percentile, ns)]


def color(library):
    return f"var(--c-{library if library in KNOWN else 'other'})"


def text(x, y, words, style="", anchor="start"):
    return (f"<text x=\"{x:.1f}\" y=\"{y:.1f}\" class=\"{style}\" "
            f"text-anchor=\"{anchor}\">{escape(words)}</text>")


def bars(all_bars):
    """Horizontal bars from zero, each with its range."""
    height, label_width, value_width = 26, 128, 92
    longest = max(bar.high for bar in all_bars) or 1
    room = WIDTH - label_width - value_width
    parts = []
    for number, bar in enumerate(all_bars):
        y = number * height
        middle = y + height / 2
        length, low, high = (room * x / longest for x in (bar.value, bar.low, bar.high))
        strong = "strong" if number == 0 else ""
        parts += [
            f"<g><title>{escape(bar.label)}: {escape(bar.says)}</title>",
            text(label_width - 10, middle + 4, bar.label, strong, "end"),
            f"<rect x=\"{label_width}\" y=\"{y + 5}\" width=\"{max(length, 1):.1f}\" "
            f"height=\"{height - 10}\" rx=\"2\" fill=\"{color(bar.library)}\"/>",
            f"<path d=\"M{label_width + low:.1f} {middle}H{label_width + high:.1f}\" "
            "stroke=\"var(--ink)\" stroke-width=\"1.2\" opacity=\"0.55\"/>",
            text(label_width + max(length, high) + 8, middle + 4, bar.says, strong),
            "</g>",
        ]
    return svg(len(all_bars) * height + 4, parts)


def svg(height, parts):
    return f"<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">{''.join(parts)}</svg>"


class Axes:
    """Nines to the right, time upwards, both logarithmic."""

    left, right, top, bottom = 52, 12, 8, 232

    def __init__(self, lines, floor):
        values = [ns for line in lines for _, ns in line.points if ns > 0]
        values += [floor[1]] if floor and floor[1] > 0 else []
        self.low = math.floor(math.log10(min(values, default=1)) * 2) / 2
        self.high = max(math.ceil(math.log10(max(values, default=10)) * 2) / 2, self.low + 0.5)

    def x(self, percentile):
        nines = -math.log10(max(1 - percentile / 100, 1e-5))
        return self.left + (WIDTH - self.left - self.right) * nines / 5

    def y(self, ns):
        share = (math.log10(max(ns, 10**self.low)) - self.low) / (self.high - self.low)
        return self.bottom - (self.bottom - self.top) * min(share, 1)

    def grid(self):
        parts = []
        for decade in range(math.ceil(self.low), math.floor(self.high) + 1):
            y = self.y(10.0**decade)
            parts.append(f"<path d=\"M{self.left} {y:.1f}H{WIDTH - self.right}\" "
                         "stroke=\"var(--line)\"/>")
            parts.append(text(self.left - 6, y + 4, show_time(10.0**decade).replace(".00", "")
                              .replace(".0", ""), "soft", "end"))
        for percentile in (50, 90, 99, 99.9, 99.99, 99.999):
            x = self.x(percentile)
            parts.append(f"<path d=\"M{x:.1f} {self.top}V{self.bottom}\" stroke=\"var(--line)\" "
                         "opacity=\"0.6\"/>")
            anchor = "end" if percentile == 99.999 else "middle"
            parts.append(text(x, self.bottom + 16, f"{percentile} %", "soft", anchor))
        return parts


def curves(lines, floor=None):
    """One line a library; `floor` is (name, ns), drawn dashed."""
    axes = Axes(lines, floor)
    parts = axes.grid()
    if floor:
        y = axes.y(floor[1])
        parts.append(f"<path d=\"M{axes.left} {y:.1f}H{WIDTH - axes.right}\" stroke=\"var(--ink)\" "
                     "stroke-dasharray=\"3 4\" opacity=\"0.7\"/>")
    for line in reversed(lines):  # the first is drawn last, on top
        points = " ".join(f"{axes.x(p):.1f},{axes.y(ns):.1f}" for p, ns in line.points)
        width = 2.6 if line is lines[0] else 1.6
        parts.append(f"<g><title>{escape(line.label)}</title><polyline points=\"{points}\" "
                     f"fill=\"none\" stroke=\"{color(line.library)}\" stroke-width=\"{width}\" "
                     "stroke-linejoin=\"round\"/></g>")
    legend, height = legend_of(lines, floor, axes.bottom + 40)
    return svg(height, parts + legend)


def legend_of(lines, floor, y):
    entries = [(line.label, f"stroke=\"{color(line.library)}\" stroke-width=\"3\"")
               for line in lines]
    if floor:
        entries.append((f"floor: {floor[0]} {show_time(floor[1])}",
                        "stroke=\"var(--ink)\" stroke-dasharray=\"3 4\""))
    parts, x = [], Axes.left
    for label, stroke in entries:
        width = 30 + 7 * len(label)
        if x + width > WIDTH:
            x, y = Axes.left, y + 20
        parts.append(f"<path d=\"M{x} {y - 4}h18\" {stroke}/>" + text(x + 24, y, label))
        x += width + 12
    return parts, y + 10
