#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the comparison and prints its table.

Every run is a process of its own. In each repetition all libraries do the same case one after the
other, in an order that moves on from repetition to repetition, so that a machine that changes its
speed changes it for all. The floors are measured in every repetition too.

Writes OUT/bench.json in Google Benchmark's format and OUT/report.html.
Exit codes: 0 done, 1 a benchmark failed, 2 bad arguments.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_report
import bench_table
from bench_results import OURS, Results, nearest_form, split_name

RUN_TIMEOUT_SECONDS = 300


class BadArguments(Exception):
    pass


def main():
    try:
        options = parse(sys.argv[1:])
        runner = Runner(options)
    except BadArguments as problem:
        print(f"bench_run: {problem}", file=sys.stderr)
        return 2
    try:
        document = runner.run()
    except KeyboardInterrupt:
        print("\nbench_run: interrupted, nothing written", file=sys.stderr)
        return 130
    write(document, options, runner.failures)
    return 1 if runner.failures else 0


def parse(arguments):
    class Parser(argparse.ArgumentParser):
        def error(self, message):
            raise BadArguments(message)

    parser = Parser(prog="tools/bench", description="Compares Pinion with std::thread and others.")
    parser.add_argument("--build-dir", required=True, type=Path, help="where Meson built it")
    parser.add_argument("--quick", action="store_true", help="under a minute, less exact")
    parser.add_argument("--only", metavar="REGEX", default="", help="cases whose name matches")
    parser.add_argument("--repetitions", metavar="N", type=int, default=None,
                        help="at least 3 to see a spread (default 9, with --quick 3)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    options = parser.parse_args(arguments)
    if options.repetitions is None:
        options.repetitions = 3 if options.quick else 9
    if not 1 <= options.repetitions <= 1000:
        raise BadArguments("--repetitions takes a number from 1 to 1000")
    options.scale = 0.05 if options.quick else 1.0
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise BadArguments(f"--out: {problem}") from None
    try:
        options.only = re.compile(options.only)
    except re.error as problem:
        raise BadArguments(f"--only is no regular expression: {problem}") from None
    return options


class Runner:
    def __init__(self, options):
        self.options = options
        self.programs = [program(options.build_dir, "bench/compare/bench_compare")]
        if (go := options.build_dir / "bench/compare/bench_go").exists():
            self.programs.append(go.resolve())
        example = options.build_dir / "examples/treesum"
        self.extra = [f"--treesum={example.resolve()}"] if example.exists() else []
        self.floors = program(options.build_dir, "bench/bench_platform_floors")
        self.failures = []
        self.context = None
        self.entries = []
        self.done = 0
        self.tenths = 0  # of all runs, as far as they have been reported
        # The works take as long as they take: this is only for the progress line.
        self.started = time.monotonic()
        self.cases = self._list_cases()
        self.total = options.repetitions * (1 + sum(len(names) for names in self.cases.values()))

    def _list_cases(self):
        """Case -> full names, one a library. A case is chosen when the name of any library in it
        matches; a library that lacks the form comes with its nearest one."""
        every = {}  # library -> case -> name
        self.program_of = {}  # name -> program
        for executable in self.programs:
            listed = subprocess.run([executable, "--benchmark_list_tests", "--tree=.", *self.extra],
                                    capture_output=True, text=True, check=False)
            for line in listed.stdout.splitlines():
                name = re.sub(r"(/iterations:1)?/manual_time$", "", line)
                if parsed := split_name(name):
                    every.setdefault(parsed[1], {})[parsed[0]] = name
                    self.program_of[name] = executable
        chosen = {case: [] for cases in every.values() for case, name in cases.items()
                  if self.options.only.search(name)}
        if not chosen:
            raise BadArguments("no benchmark matches --only" if every else
                               f"{self.programs[0]} lists no benchmarks")
        for cases in every.values():
            for case in list(chosen):
                nearest = nearest_form(case, cases)
                if nearest and cases[nearest] not in chosen.setdefault(nearest, []):
                    chosen[nearest].append(cases[nearest])
        return chosen

    def run(self):
        with tempfile.TemporaryDirectory(prefix="pinion-bench-") as scratch:
            self.scratch = Path(scratch)
            self.tree = self._make_tree()
            for repetition in range(self.options.repetitions):
                self._repetition(repetition)
        self._progress("")
        return {"context": self.context, "benchmarks": self.entries}

    def _make_tree(self):
        """Files of many sizes, the same ones every time. They stay in the page cache."""
        root = self.scratch / "tree"
        if not any(case.work.startswith("treesum") for case in self.cases):
            return root
        dice = random.Random(1)
        for number in range(400 if self.options.quick else 2000):
            folder = root / f"{number % 20:02}"
            folder.mkdir(parents=True, exist_ok=True)
            size = int(dice.lognormvariate(9.5, 1.5))  # median 13 kB, some of a megabyte
            (folder / f"{number:04}").write_bytes(dice.randbytes(min(size, 1 << 21)))
        return root

    def _repetition(self, repetition):
        self._run_one(self.floors, "platform/floors", repetition, [])
        for names in self.cases.values():
            first = repetition % len(names)
            for name in names[first:] + names[:first]:
                self._run_one(self.program_of[name], name, repetition,
                              [f"--benchmark_filter=^{re.escape(name)}(/iterations.*)?$",
                               f"--tree={self.tree}", *self.extra])

    def _run_one(self, executable, name, repetition, arguments):
        self._progress(f"repetition {repetition + 1} of {self.options.repetitions}: {name}")
        out = self.scratch / "run.json"
        out.unlink(missing_ok=True)
        command = [executable, f"--scale={self.options.scale}", f"--benchmark_out={out}",
                   "--benchmark_out_format=json", *arguments]
        try:
            ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   timeout=RUN_TIMEOUT_SECONDS, check=False)
            trouble = "" if ended.returncode == 0 else describe_exit(ended)
        except subprocess.TimeoutExpired:
            trouble = f"took longer than {RUN_TIMEOUT_SECONDS} s"
        self.done += 1
        if trouble or not out.exists():
            self.failures.append(f"{name}: {trouble or 'wrote nothing'}")
        else:
            self._keep(json.loads(out.read_text(encoding="utf-8")), repetition)

    def _keep(self, document, repetition):
        if self.context is None:
            self.context = document["context"] | {
                "command": " ".join(sys.argv),
                "commit": commit(),
                "scale": self.options.scale,
                "repetitions": self.options.repetitions,
                "library_build_type": "release",
            }
        for entry in document["benchmarks"]:
            entry["repetitions"] = self.options.repetitions
            entry["repetition_index"] = repetition
            self.entries.append(entry)

    def _progress(self, what):
        """On a terminal one line that changes; elsewhere a line for each tenth."""
        passed = time.monotonic() - self.started
        left = passed / self.done * (self.total - self.done) if self.done else 0
        percent = 100 * self.done // self.total
        if not sys.stderr.isatty():
            if what and self.done and percent // 10 > self.tenths:
                self.tenths = percent // 10
                print(f"{percent:3} %, {left:.0f} s left", file=sys.stderr, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        line = f"[{percent:3} %, {left:.0f} s left] {what}" if what else ""
        print("\r\033[K" + line[:width], end="", file=sys.stderr, flush=True)


def program(build_dir, name):
    path = build_dir / name
    if not os.access(path, os.X_OK):
        raise BadArguments(f"{path} is not there: build first (ninja -C {build_dir} benchmarks)")
    return path.resolve()


def describe_exit(ended):
    said = ended.stderr.decode(errors="replace").strip().splitlines()
    how = f"signal {-ended.returncode}" if ended.returncode < 0 else f"exit {ended.returncode}"
    return f"{how}: {said[-1]}" if said else how


def commit():
    here = Path(__file__).resolve().parent
    said = subprocess.run(["git", "-C", here, "describe", "--always", "--dirty"],
                          capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def write(document, options, failures):
    if document["context"] is not None:
        results = options.out / "bench.json"
        results.write_text(json.dumps(document, indent=1), encoding="utf-8")
        loaded = Results(document)
        if OURS in loaded.runs:
            print(bench_table.table(loaded, bench_table.wants_color(sys.stdout),
                                    bench_table.width_of(sys.stdout)))
            report = options.out / "report.html"
            report.write_text(bench_report.page(loaded), encoding="utf-8")
            print(f"\nAll results: {results}    Charts: {report}")
    for failure in failures:
        print(f"bench_run: failed: {failure}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
