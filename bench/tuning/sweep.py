#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Are the constants of the runtime the right ones? Builds Pinion once for each value of a constant
and runs the works of the comparison that it bears on, one value after the other.

    bench/tuning/sweep.py                              all sweeps, with the values below
    bench/tuning/sweep.py batch_max                    one of them
    bench/tuning/sweep.py batch_max=8,64,512 --works submit_external,spawn_inside

The tree is copied, and the constant is changed in the copy: the library needs no switch for this.
Prints one table a constant, in Markdown, with medians and how many times better than the present
value each is. Exit codes: 0 done, 1 a build or a benchmark failed, 2 bad arguments.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from bench_results import WORKS, Results, Spread, ratios, show_number, show_value


@dataclass(frozen=True)
class Sweep:
    constant: str
    file: str
    values: tuple  # in the constant's own unit
    works: tuple


WORKER, INJECTOR = "src/runtime/worker.hpp", "src/lockfree/injector.hpp"
NODES, FAN = "include/pinion/lockfree/node_pool.hpp", "bench/compare/libraries/pinion.hpp"
SLABS = "src/lockfree/node_pool.cpp"
OUTSIDE = ("submit_external", "fan_out_fan_in")
SWEEPS = {sweep.constant: sweep for sweep in (
    Sweep("poll_interval_max", WORKER, (15, 31, 61, 127, 255), ("submit_external", "spawn_inside")),
    Sweep("poll_time_max", WORKER, (10, 25, 50, 100), ("submit_external", "spawn_inside")),
    Sweep("batch_max", WORKER, (8, 16, 32, 64, 128), OUTSIDE + ("wake_parked",)),
    Sweep("steal_max", WORKER, (16, 64, 256, 1024), ("spawn_inside",)),
    Sweep("stream_pace", WORKER, (1, 2, 5), OUTSIDE + ("round_trip_hot",)),
    Sweep("stream_patience", WORKER, (5, 25, 50, 100), OUTSIDE + ("submit_wait",)),
    Sweep("brisk_batch_time", WORKER, (0, 5, 20, 50), OUTSIDE + ("spawn_inside",)),
    Sweep("brisk_full_batches_max", WORKER, (16, 64, 256), ("submit_external",)),
    Sweep("sentinel_period", WORKER, (100, 250, 1000), ("submit_external", "host_slowdown")),
    Sweep("sentinel_looks_max", WORKER, (1, 4, 16), ("submit_external", "host_slowdown")),
    Sweep("search_time_max", WORKER, (50, 200, 1000), ("spawn_inside", "submit_external")),
    Sweep("spin_for", "include/pinion/runtime/options.hpp", (0, 5, 20, 50, 200),
          ("submit_wait", "submit_external", "host_slowdown", "wake_parked")),
    Sweep("BLOCK_SIZE", INJECTOR, (16, 32, 64, 128), ("submit_external",)),
    Sweep("EXPLICIT_CONSUMER_CONSUMPTION_QUOTA_BEFORE_ROTATE", INJECTOR, (16, 32, 256),
          ("submit_external",)),
    Sweep("magazine_capacity", NODES, (15, 31, 63), ("submit_external", "spawn_inside")),
    Sweep("slab_bytes_first", SLABS, (16, 64, 256), ("submit_external", "spawn_inside")),  # KiB
    Sweep("slab_bytes_max", SLABS, (1, 2, 8), ("submit_external", "spawn_inside")),  # MiB
    Sweep("buffer", FAN, (64, 256, 1024, 4096), ("fan_out_fan_in",)),
)}


class BadArguments(Exception):
    pass


def main():
    try:
        options = parse(sys.argv[1:])
        with tempfile.TemporaryDirectory(prefix="pinion-tuning-") as scratch:
            workshop = Workshop(Path(scratch))
            for sweep in options.sweeps:
                run(sweep, workshop, options)
    except BadArguments as problem:
        print(f"sweep: {problem}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as problem:
        said = problem.stderr or problem.stdout or ""
        print(f"sweep: failed: {problem.cmd[0]}\n{said}", file=sys.stderr)
        return 1
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("constants", nargs="*", metavar="CONSTANT[=VALUE,...]")
    parser.add_argument("--works", default="", help="instead of those that are listed")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--scale", type=float, default=0.3, help="of the works; 1 is full size")
    options = parser.parse_args(arguments)
    works = tuple(filter(None, options.works.split(",")))
    if unknown := set(works) - set(WORKS):
        raise BadArguments(f"no such work: {', '.join(sorted(unknown))}")
    options.sweeps = [chosen(text, works) for text in options.constants or SWEEPS]
    return options


def chosen(text, works):
    name, _, values = text.partition("=")
    if name not in SWEEPS:
        raise BadArguments(f"no sweep of {name}; there are {', '.join(SWEEPS)}")
    sweep = SWEEPS[name]
    return Sweep(name, sweep.file, tuple(values.split(",")) if values else sweep.values,
                 works or sweep.works)


class Workshop:
    """A copy of the tree in which constants are changed and programs are built."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.tree = scratch / "tree"
        shutil.copytree(ROOT, self.tree, ignore=shutil.ignore_patterns(
            ".git", "build*", "out", "__pycache__"))
        quietly("meson", "setup", self.tree / "build", self.tree, "-Dtests=false",
                "-Dtools=false", "-Dexamples=false")

    def present_value(self, sweep):
        found = self._pattern(sweep).findall((self.tree / sweep.file).read_text())
        if len(found) != 1:
            raise BadArguments(f"{sweep.file} sets {sweep.constant} {len(found)} times, not once")
        return found[0][1].replace("'", "")

    def build(self, sweep, value):
        """The comparison with that value; the tree is as before afterwards."""
        source = self.tree / sweep.file
        before = source.read_text()
        source.write_text(self._pattern(sweep).sub(rf"\g<1>{value}", before, count=1))
        try:
            quietly("ninja", "-C", self.tree / "build", "bench/compare/bench_compare")
        finally:
            source.write_text(before)
        program = self.scratch / f"{sweep.constant}-{value}"
        shutil.copy2(self.tree / "build/bench/compare/bench_compare", program)
        return program

    @staticmethod
    def _pattern(sweep):
        """The number in `constant = 64`, in `constant = std::chrono::microseconds(20)`, or in
        `constant = os::shrinkable<int>(64, 4)`."""
        around = r"(?:std::chrono::\w+\(|os::shrinkable(?:<[\w:]+>)?\()?"
        return re.compile(rf"(\b{sweep.constant}\b\s*=\s*{around})([\d'.]+)")


def quietly(*command):
    subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)


def run(sweep, workshop, options):
    present = workshop.present_value(sweep)
    values = [str(value) for value in sweep.values]
    values += [] if present in values else [present]
    values.sort(key=float)
    programs = {}
    for value in values:
        print(f"building with {sweep.constant} = {value}", file=sys.stderr)
        programs[value] = workshop.build(sweep, value)
    entries = {value: [] for value in values}
    for repetition in range(options.repetitions):
        print(f"{sweep.constant}: repetition {repetition + 1} of {options.repetitions}",
              file=sys.stderr)
        for work in sweep.works:
            first = repetition % len(values)
            for value in values[first:] + values[:first]:
                entries[value] += measure(programs[value], work, repetition, options.scale)
    print(table(sweep, values, present, entries), flush=True)


def measure(program, work, repetition, scale):
    out = program.with_suffix(".json")
    quietly(program, f"--benchmark_filter=^compare/{work}/pinion/", f"--scale={scale}",
            f"--benchmark_out={out}", "--benchmark_out_format=json")
    entries = json.loads(out.read_text())["benchmarks"]
    return [entry | {"repetition_index": repetition} for entry in entries]


def table(sweep, values, present, entries):
    runs = {value: Results({"context": {}, "benchmarks": found}).runs["pinion"]
            for value, found in entries.items()}
    heads = [f"**{value}**" if value == present else value for value in values]
    lines = [f"\n`{sweep.constant}`, now {present}\n", f"| case | {' | '.join(heads)} |",
             "|---" * (len(values) + 1) + "|"]
    for case in runs[present]:
        work = WORKS[case.work]
        cells = []
        for value in values:
            mine = runs[value][case]
            shown = show_value(work, Spread.of([e[work.value] for e in mine.values()]).median)
            better = Spread.of(ratios(mine, runs[present][case], work))
            cells.append(shown if value == present else
                         f"{shown}, {show_number(better.median)}x "
                         f"[{show_number(better.low)}..{show_number(better.high)}]")
        lines.append(f"| {case.work} {case.label()} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
