#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes one self-contained HTML page of a bench.json: table, bars, percentile curves.

    tools/bench_report.py out/bench.json [-o out/report.html]
"""

import argparse
import json
import sys
from html import escape
from pathlib import Path

import bench_charts as charts
from bench_results import (LATENCY, MEMORY, OURS, THROUGHPUT, WORKS, Results, counted, show_cell,
                           show_factor, show_number, show_ratio, show_time, show_value)

STYLE = """
:root { --ink: #1c2024; --soft: #60656c; --line: #d9dce0; --paper: #ffffff; --panel: #f7f8f9;
        --good: #18794e; --bad: #cd2b31;
        --c-pinion: #0b68cb; --c-mutex_pool: #e08600; --c-onetbb: #0f8f6f; --c-std_thread: #8b8d98;
        --c-std_async: #b05cc0; --c-mutex_pool_queue: #a86a1d; --c-go: #c2416b;
        --c-other: #5b6370; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #edeef0; --soft: #a9adb3; --line: #3a3f45; --paper: #15181b; --panel: #1d2125;
          --good: #4cc38a; --bad: #ff6369; --c-pinion: #5aa9ff; --c-std_thread: #a3a6b0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 32px 24px 80px; background: var(--paper);
       color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 44px 0 6px; }
h3 { font-size: 15px; margin: 0; }
p { max-width: 76ch; margin: 6px 0 12px; } .soft, figcaption { color: var(--soft); }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 16px; }
figure { margin: 0; padding: 14px 16px 10px; background: var(--panel); border-radius: 8px;
         border: 1px solid var(--line); }
figcaption { font-size: 13px; margin-bottom: 8px; } svg { width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg .soft { fill: var(--soft); } svg .strong { font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px;
        font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line);
         vertical-align: top; white-space: nowrap; }
th { font-weight: 600; } tr.work td { padding-top: 16px; border-bottom: 0; white-space: normal; }
td small { display: block; color: var(--soft); } .good { color: var(--good) !important; }
.bad { color: var(--bad) !important; } .ours { font-weight: 600; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: 12px;
         margin-top: 20px; font-size: 13.5px; }
.tile { padding: 12px 14px; background: var(--panel); border: 1px solid var(--line);
        border-radius: 8px; } .tile b { display: block; font-size: 24px; margin: 4px 0; }
tr.open td { border-bottom: 0; padding-bottom: 0; } h3 + ul { margin-top: 4px; }
table + h3, .scroll + h3 { margin-top: 20px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 20px; font-size: 14px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
summary { cursor: pointer; margin: 12px 0; } .warning { border-left: 4px solid var(--bad);
padding: 8px 14px; background: var(--panel); }
"""

HOW_TO_READ = """
<p>Every run was a process of its own. In each repetition all libraries did the same case one after
the other, in an order that moved on with the repetitions; a ratio compares two runs of the same
repetition. Shown are medians over the repetitions, and the lowest and highest in brackets or as a
thin line. Ratios say how many times better Pinion is: below 1 it is worse.</p>
<p><b>Pinned</b> means one worker tied to each CPU, <b>unpinned</b> that the system places them.
Where a library lacks a form, its nearest one stands in and is marked with *.</p>
<p>A <b>floor</b> is what no library can beat on this machine, because the hardware or the kernel
takes that long: it was measured in the same loop, sample beside sample. Percentile curves are
histograms of all repetitions joined, never averages of percentiles. Read them to the right: the
further a line stays down, the fewer bad surprises. The cost of the clock is subtracted.</p>
"""


def page(results):
    body = [heading(results), in_short(results), table(results), throughput(results), latency(results),
            memory(results), side_effects(results), floors(results), "<h2>How to read this</h2>", HOW_TO_READ,
            machine(results)]
    return ("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            f"<title>Pinion: benchmark report</title><style>{STYLE}</style></head>\n<body>"
            + "\n".join(body) + "</body></html>\n")


def heading(results):
    context = results.context
    foreign, disturbed, runs = results.foreign()
    lines = ["<h1>Pinion against what one would use instead</h1>",
             f"<p class=\"soft\">{escape(str(context.get('date', '')))} &middot; "
             f"{escape(str(context.get('cpu_model', '?')))}, {context.get('cpus_usable', '?')} CPUs"
             f" &middot; commit {escape(str(context.get('commit', '?')))} &middot; "
             f"{counted(results.repetitions(), 'repetition')}</p>"]
    if disturbed:
        lines.append(f"<p class=\"warning\">Other processes disturbed {disturbed} of {runs} runs: "
                     f"they took up to {100 * foreign.high:.0f} % of the CPUs. "
                     "Take these figures with care.</p>")
    return "\n".join(lines)


def in_short(results):
    """One tile a work that people ask for first."""
    tiles = []
    for name in ("submit_external", "spawn_inside", "fan_out_fan_in", "round_trip_hot",
                 "wake_parked"):
        rows = results.rows(name)
        if not rows:
            continue
        row, work = rows[-1 if WORKS[name].floor else 0], WORKS[name]
        says = [f"{show_factor(cell.ratio.median)}x {escape(library)}"
                for library in ("std_thread", "mutex_pool")
                if (cell := row.others.get(library)) and cell.ratio]
        if row.floor:
            says = [f"{show_number(row.floor_ratio.median)} times the floor: {work.floor_name} "
                    f"{show_time(row.floor.median)}"]
        form = escape(row.case.label(results.usual_workers()))
        tiles.append(f"<div class=\"tile\"><span class=\"soft\">{name}<br>{form}</span>"
                     f"<b>{show_value(work, row.ours.value.median)}</b>{'<br>'.join(says)}</div>")
    return f"<div class=\"tiles\">{''.join(tiles)}</div>"


def table(results):
    others = results.libraries()[1:]
    heads = "".join(f"<th>{escape(name)}</th>" for name in [OURS] + others + ["floor"])
    rows = []
    for work in WORKS.values():
        cases = results.rows(work.name)
        if cases:
            rows.append(f"<tr class=\"work\"><td colspan=\"{len(others) + 3}\"><b>{work.name}</b> "
                        f"<span class=\"soft\">{escape(work.says)}{measure(work)}</span></td></tr>")
        rows += [table_row(results, work, row, others) for row in cases]
    return ("<h2>The table</h2><p>Throughput as time per task; latencies as median / 99th "
            "percentile. Ratios: how many times better Pinion is.</p>"
            f"<div class=\"scroll\"><table><thead><tr><th></th>{heads}</tr></thead><tbody>"
            + "\n".join(rows) + "</tbody></table></div>" + losses(results))


def measure(work):
    return {"p99": "; ratios of the 99th percentile",
            "slowdown": "; run time against running alone"}.get(work.value, "")


def table_row(results, work, row, others):
    cells = [f"<td class=\"ours\">{show_cell(work, row.ours)}</td>"]
    for name in others:
        cell = row.others.get(name)
        cells.append(f"<td>{cell_html(work, cell)}</td>" if cell else "<td class=\"soft\">-</td>")
    floor = ""
    if row.floor:
        floor = (f"{show_time(row.floor.median)}<small>Pinion takes "
                 f"{show_number(row.floor_ratio.median)} of these</small>")
    label = escape(row.case.label(results.usual_workers()))
    guests = "".join(
        f"<tr><td colspan=\"2\"></td><td colspan=\"{len(others) + 1}\">"
        f"<span class=\"soft\">{escape(guest)}:</span> {cell_html(work, row.others[guest])}"
        "</td></tr>" for guest in results.guests(row.case))
    style = " class=\"open\"" if guests else ""
    return f"<tr{style}><td>{label}</td>{''.join(cells)}<td>{floor}</td></tr>{guests}"


def cell_html(work, cell):
    style = "good" if cell.ratio and cell.ratio.low > 1 else (
        "bad" if cell.ratio and cell.ratio.high < 1 else "")
    star = "" if cell.same_form else " *"
    return (f"{show_cell(work, cell)}{star}"
            f"<small class=\"{style}\">{escape(show_ratio(cell.ratio))}</small>")


def losses(results):
    items = []
    for library, found in results.losses().items():
        cases = ", ".join(f"{row.case.work} ({row.case.label(results.usual_workers())}) "
                          f"{show_ratio(cell.ratio)}" for row, cell in found)
        items.append(f"<li><b>{escape(library)}</b>: {escape(cases)}</li>")
    return f"<h3>Where Pinion is behind</h3><ul>{''.join(items)}</ul>" if items else ""


def figure(title, caption, svg):
    return (f"<figure><h3>{escape(title)}</h3><figcaption>{escape(caption)}</figcaption>"
            f"{svg}</figure>")


def bars_of(results, row, work, unit, scale):
    cells = [row.ours] + list(row.others.values())
    bars = [charts.Bar(cell.library + ("" if cell.same_form else " *"), cell.library,
                       scale(cell.value.median), scale(cell.value.low), scale(cell.value.high),
                       unit(cell.value.median)) for cell in cells]
    return charts.bars(bars)


def throughput(results):
    figures = []
    for name in THROUGHPUT:
        work = WORKS[name]
        says = (lambda x, w=work: show_value(w, x)) if work.kind == "bytes" else (
            lambda x: f"{show_number(x / 1e6)} M/s")
        for row in results.rows(name):
            figures.append(figure(
                f"{name}: {row.case.label(results.usual_workers())}", work.says,
                bars_of(results, row, work, says, lambda x: x / 1e6)))
    return section("Throughput", "Longer is better; the thin line is the range.", figures)


def latency(results):
    figures = []
    for name in LATENCY:
        for row in results.rows(name):
            lines = [charts.Line(cell.library, cell.library, curve)
                     for cell in [row.ours] + list(row.others.values())
                     if (curve := results.curve(cell.library, cell.case))]
            if lines:
                floor = (WORKS[name].floor_name, row.floor.median) if row.floor else None
                form = row.case.label(results.usual_workers())
                figures.append(figure(f"{name}: {form}" if form else name, WORKS[name].says,
                                      charts.curves(lines, floor)))
    return section("Latency", "Lower is better; both axes are logarithmic, the horizontal one in "
                   "nines: the median at the left, one in ten thousand at the right.", figures)


def side_effects(results):
    work = WORKS["host_slowdown"]
    figures = [figure(f"host_slowdown: {row.case.label(results.usual_workers())}", work.says,
                      bars_of(results, row, work, lambda x: f"{show_number(x)}x", lambda x: x))
               for row in results.rows("host_slowdown")]
    return section("What the rest of the program pays", "Run time of a thread of the application "
                   "with the pool beside it, against running alone. Shorter is better; 1 is a "
                   "pool that nobody notices.", figures)


def memory(results):
    figures = [figure(f"{name}: {row.case.label(results.usual_workers())}", WORKS[name].says,
                      bars_of(results, row, WORKS[name], lambda x: f"{x:,.0f} B", lambda x: x))
               for name in MEMORY for row in results.rows(name)]
    return section("Memory", "Shorter is better; the thin line is the range.", figures)


def section(title, says, figures):
    if not figures:
        return ""
    return (f"<h2>{title}</h2><p class=\"soft\">{says}</p>"
            f"<div class=\"grid\">{''.join(figures)}</div>")


def floors(results):
    rows = []
    for name, entries in results.floors.items():
        short = name.removeprefix("platform/floors/")
        for counter in ("p50", "p99", "max"):
            if spread := results.floor(short, counter):
                rows.append(f"<tr><td>{escape(short)}</td><td>{counter}</td>"
                            f"<td>{show_time(spread.median)}</td><td class=\"soft\">"
                            f"{show_time(spread.low)} .. {show_time(spread.high)}</td></tr>")
    if not rows:
        return ""
    return ("<h2>Floors of this machine</h2><p class=\"soft\">Measured in every repetition, on the "
            "first and the last CPU.</p><div class=\"scroll\"><table><tr><th>what</th><th></th>"
            f"<th>median</th><th>range</th></tr>{''.join(rows)}</table></div>")


def machine(results):
    rows = "".join(f"<dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd>"
                   for key, value in results.context.items()
                   if isinstance(value, (str, int, float)))
    return f"<h2>Machine and build</h2><dl>{rows}</dl>"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="bench.json")
    parser.add_argument("-o", "--out", type=Path, default=None, help="report.html beside it")
    options = parser.parse_args()
    try:
        results = Results.load(options.results)
        if OURS not in results.runs:
            raise ValueError("holds no results of " + OURS)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as problem:
        print(f"bench_report: {options.results}: {problem}", file=sys.stderr)
        return 2
    out = options.out or options.results.with_name("report.html")
    out.write_text(page(results), encoding="utf-8")
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
