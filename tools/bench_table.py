# SPDX-License-Identifier: MIT
"""The comparison as one table for a terminal."""

import os
import shutil
import textwrap

from bench_results import (LATENCY, MEMORY, OURS, THROUGHPUT, WORKS, counted, show_cell,
                           show_number, show_ratio, show_time)

LABEL_WIDTH = 40
COLUMN_WIDTH = 20
BOLD, GREEN, RED, DIM, PLAIN = "\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m"


def wants_color(stream):
    return stream.isatty() and "NO_COLOR" not in os.environ


def width_of(stream):
    return shutil.get_terminal_size().columns if stream.isatty() else None


def table(results, color=False, width=None):
    """`width` is how many characters a line may have; None is as many as it takes."""
    writer = Writer(results, color, width)
    writer.head()
    writer.section("Throughput: time per task, from handing over to done", THROUGHPUT)
    writer.section("Latency: median / 99th percentile", LATENCY)
    writer.section("Memory", MEMORY)
    writer.section("What the rest of the program pays: its run time with the pool beside it",
                   ["host_slowdown"])
    writer.foot()
    return "\n".join(writer.lines)


class Writer:
    """One column a library where there is room, otherwise one line a library."""

    def __init__(self, results, color, width):
        self.results = results
        self.color = color
        self.others = results.libraries()[1:]
        self.columns = 2 + len(self.others)
        full = LABEL_WIDTH + self.columns * COLUMN_WIDTH
        self.narrow = width is not None and width < full
        self.width = min(width or full, full)
        self.lines = []
        self.substituted = False

    def paint(self, text, style):
        return f"{style}{text}{PLAIN}" if self.color and text.strip() else text

    def line(self, label, cells, styles=()):
        painted = [self.paint(cell.ljust(COLUMN_WIDTH - 1), style) + " "
                   for cell, style in zip(cells, list(styles) + [""] * len(cells))]
        self.lines.append((label.ljust(LABEL_WIDTH) + "".join(painted)).rstrip())

    def text(self, words):
        self.lines += textwrap.wrap(words, self.width, subsequent_indent="  ")

    def head(self):
        if not self.narrow:
            heads = [OURS] + self.others + ["floor"]
            self.line("", heads, [BOLD] * len(heads))

    def section(self, title, works):
        rows = [(WORKS[work], self.results.rows(work)) for work in works]
        if not any(cases for _, cases in rows):
            return
        self.lines += ["", self.paint(title, DIM)]
        for work, cases in rows:
            if cases:
                self.lines.append(f"{self.paint(work.name, BOLD)}  {work.says}")
            for row in cases:
                (self.case_narrow if self.narrow else self.case_wide)(work, row)

    def case_wide(self, work, row):
        cells = [row.others.get(library) for library in self.others]
        values = [show_cell(work, row.ours)]
        values += [self.value(work, cell) if cell else "-" for cell in cells]
        values.append(show_time(row.floor.median) if row.floor else "")
        self.line("  " + self.form(row), values, [BOLD])
        ratios = [""] + [show_ratio(cell.ratio) if cell else "" for cell in cells]
        ratios.append(in_floors(row))
        if any(ratios):
            self.line("", ratios, [""] + [verdict(cell) for cell in cells])
        for guest in self.results.guests(row.case):
            cell = row.others[guest]
            self.line("", ["", f"{guest}: {show_cell(work, cell)}, {show_ratio(cell.ratio)}"],
                      ["", verdict(cell)])

    def case_narrow(self, work, row):
        self.line("  " + self.form(row), [OURS, show_cell(work, row.ours)], [BOLD, BOLD])
        for library in self.others + self.results.guests(row.case):
            if cell := row.others.get(library):
                self.line("", [library, self.value(work, cell), show_ratio(cell.ratio)],
                          ["", "", verdict(cell)])
        if row.floor:
            self.line("", ["floor", show_time(row.floor.median), in_floors(row)])

    def form(self, row):
        return row.case.label(self.results.usual_workers())

    def value(self, work, cell):
        self.substituted |= not cell.same_form
        return show_cell(work, cell) + ("" if cell.same_form else " *")

    def foot(self):
        results = self.results
        self.lines.append("")
        self.text("Ratios: how many times better Pinion is, median [lowest..highest] of "
                  f"{counted(results.repetitions(), 'repetition')}; below 1 it is worse.")
        if self.substituted:
            self.text("* the nearest form this library has: its threads are not pinned, its idle "
                      "policy is its own.")
        for library, losses in results.losses().items():
            cases = [f"{describe(row, results)} {show_ratio(cell.ratio)}" for row, cell in losses]
            self.text(f"Behind {library}: " + ", ".join(cases) + ".")
        self.lines.append("")
        for sentence in (floors_line(results), machine_line(results), foreign_line(results)):
            self.text(sentence)


def in_floors(row):
    return f"{show_number(row.floor_ratio.median)} of these" if row.floor_ratio else ""


def describe(row, results):
    form = row.case.label(results.usual_workers())
    return f"{row.case.work} ({form})" if form else row.case.work


def verdict(cell):
    if not cell or not cell.ratio:
        return ""
    return GREEN if cell.ratio.low > 1 else RED if cell.ratio.high < 1 else ""


def floors_line(results):
    parts = []
    for name, says in (("line_round_trip", "line round trip"),
                       ("futex_wake/pinned", "futex wake, pinned"),
                       ("futex_wake/unpinned", "unpinned"),
                       ("rmw_uncontended", "uncontended RMW"),
                       ("clock", "reading the clock (subtracted)")):
        if spread := results.floor(name):
            parts.append(f"{says} {show_time(spread.median)}")
    if spread := results.floor("hiccup", "max"):
        parts.append(f"longest pause of a thread that only spins {show_time(spread.high)}")
    return "Floors of this machine: " + ", ".join(parts) + "."


def machine_line(results):
    context = results.context
    virtual = "virtual machine, " if context.get("virtual_machine") == "yes" else ""
    return (f"Machine: {context.get('cpu_model', '?')}, {context.get('cpus_usable', '?')} CPUs, "
            f"{virtual}{context.get('kernel', '?')}; {context.get('compiler', '?')}; "
            f"commit {context.get('commit', '?')}.")


def foreign_line(results):
    foreign, disturbed, runs = results.foreign()
    if not disturbed:
        return ""
    return (f"Other processes disturbed {disturbed} of {runs} runs (they took up to "
            f"{100 * foreign.high:.0f} % of the CPUs): take these figures with care.")
