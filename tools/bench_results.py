# SPDX-License-Identifier: MIT
"""What the comparison's results mean: which runs belong together, and how they compare.

Results are in Google Benchmark's JSON, one entry a run, named

    compare/<work>/<library>/workers:<n>[/<parameter>:<value>][/pinned or /unpinned]

A case is a work with its parameters. Libraries are compared repetition by repetition: each
repetition gives one ratio, and what is shown is the median of the ratios and their range. Ratios
say how many times better Pinion is, so more than 1 is a win and less than 1 a loss.
"""

import json
import statistics
from dataclasses import dataclass, field

OURS = "pinion"
COLUMNS = ("std_thread", "std_async", "mutex_pool", "onetbb", "go")  # others come after these
DISTURBED = 0.10  # share of the machine that others may use before a run counts as disturbed


@dataclass(frozen=True)
class Work:
    """How the result of a work is read."""

    name: str
    says: str
    value: str  # the counter that is compared
    # time: in ns, size: in bytes, less is better; rate, bytes: a second, more is better; factor
    kind: str = "time"
    shown: tuple = ()  # the counters that are shown, if not just that one
    floor: str = ""  # the counter that holds what nobody can beat
    floor_name: str = ""


WORKS = {
    work.name: work
    for work in (
        Work("submit_external", "hand over tasks from outside and run them", "items_per_second",
             "rate"),
        Work("spawn_inside", "a task makes a million tasks", "items_per_second", "rate"),
        Work("task_group", "a task spawns a million and joins them", "items_per_second", "rate"),
        Work("pipeline", "items through four stages that do nothing", "items_per_second", "rate"),
        Work("fan_out_fan_in", "tasks out, results to one consumer", "items_per_second", "rate"),
        Work("channel", "numbers from some threads to as many others", "items_per_second", "rate"),
        Work("task_await", "a coroutine awaits a million others in turn", "items_per_second",
             "rate"),
        Work("skynet", "a tree of coroutines with a million leaves", "items_per_second", "rate"),
        Work("ping_pong", "there and back over two channels without a buffer",
             "items_per_second", "rate"),
        Work("select_two", "two coroutines send, one selects", "items_per_second", "rate"),
        Work("treesum", "SHA-256 of every file of a tree", "bytes_per_second", "bytes"),
        Work("treesum_program", "the same by a whole program: the example, coreutils",
             "bytes_per_second", "bytes"),
        Work("round_trip_hot", "hand over, see that it ran; both spin", "p50", shown=("p50", "p99"),
             floor="floor_p50", floor_name="line round trip"),
        Work("wake_parked", "post until the task runs; workers sleep", "p50", shown=("p50", "p99"),
             floor="floor_p50", floor_name="futex wake"),
        Work("submit_wait", "submit(f).wait() from outside, no gap", "p50", shown=("p50", "p99")),
        Work("post_cost", "what the submitter itself pays", "p99", shown=("p50", "p99"),
             floor="rmw_ns", floor_name="uncontended RMW"),
        Work("cancel_to_quiet", "stop request until all threads are joined", "p50", shown=("p50", "p99")),
        Work("cancel_tree", "cancel a tree of ten thousand contexts", "p50", shown=("p50", "p99")),
        Work("timer_arm_cancel", "arm a timer and cancel it", "items_per_second", "rate"),
        Work("select_ready", "select over two channels that are ready", "items_per_second", "rate"),
        Work("select_blocked", "select over five channels until one is", "items_per_second", "rate"),
        Work("blocked", "each of a million coroutines that wait", "bytes", "size"),
        Work("host_slowdown", "a thread of the application, beside the pool", "slowdown", "factor"),
    )
}
THROUGHPUT = [name for name, work in WORKS.items() if work.kind in ("rate", "bytes")]
MEMORY = [name for name, work in WORKS.items() if work.kind == "size"]
LATENCY = [name for name, work in WORKS.items() if work.kind == "time"]


@dataclass(frozen=True)
class Case:
    work: str
    parameters: tuple  # ("workers:2", "producers:1", "pinned")

    def label(self, usual_workers=None):
        """The parameters for people; the usual number of workers goes without saying."""
        words = []
        for parameter in self.parameters:
            name, _, value = parameter.partition(":")
            if name == "workers" and value == str(usual_workers):
                continue
            words.append({
                "workers": counted(value, "worker"),
                "producers": counted(value, "producer"),
                "senders": counted(value, "sender"),
                "capacity": f"capacity {value}",
                "idle": f"idle {value}",
                "worker": value,
            }.get(name, parameter))
        return ", ".join(words)


@dataclass
class Spread:
    """Median and range of one number over the repetitions."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values):
        return Spread(statistics.median(values), min(values), max(values)) if values else None


@dataclass
class Cell:
    """One library in one case."""

    library: str
    case: Case  # may be the nearest form of the case that the library has
    value: Spread
    shown: list  # a Spread for each counter that is shown
    ratio: Spread = None  # how many times better Pinion is; None for Pinion itself
    same_form: bool = True


@dataclass
class Row:
    case: Case
    ours: Cell
    others: dict = field(default_factory=dict)  # library -> Cell
    floor: Spread = None
    floor_ratio: Spread = None  # Pinion in floors


def split_name(name):
    """(case, library) of a benchmark of the comparison; None for any other."""
    parts = name.split("/")
    if len(parts) < 4 or parts[0] != "compare":
        return None
    return Case(parts[1], tuple(parts[3:])), parts[2]


def nearest_form(case, available):
    """The case itself, or the form of it that a library without its last choices has."""
    without_idle = tuple(p for p in case.parameters if not p.startswith("idle:"))
    unpinned = tuple("unpinned" if p == "pinned" else p for p in without_idle)
    for parameters in (case.parameters, without_idle, unpinned):
        if (nearest := Case(case.work, parameters)) in available:
            return nearest
    return None


class Results:
    def __init__(self, document):
        self.context = document["context"]
        self.runs = {}  # library -> case -> repetition -> entry
        self.floors = {}  # benchmark name -> [entry]
        for entry in document["benchmarks"]:
            if entry.get("run_type") == "aggregate":
                continue
            parsed = split_name(entry["name"])
            if parsed is None:
                self.floors.setdefault(entry["name"], []).append(entry)
                continue
            case, library = parsed
            by_repetition = self.runs.setdefault(library, {}).setdefault(case, {})
            by_repetition[entry.get("repetition_index", 0)] = entry

    @staticmethod
    def load(path):
        with open(path, encoding="utf-8") as file:
            return Results(json.load(file))

    def usual_workers(self):
        return self.context.get("cpus_usable")

    def libraries(self):
        """Ours first, then those that take part in most works, as columns of a table."""
        others = [name for name in self.runs if name != OURS]
        works = {name: len({case.work for case in self.runs[name]}) for name in others}
        most = max(works.values(), default=0)
        frequent = [name for name in others if 2 * works[name] > most]
        known = [name for name in COLUMNS if name in frequent]
        return [OURS] + known + [name for name in frequent if name not in COLUMNS]

    def guests(self, case):
        """Libraries that take part in few works, this one among them."""
        columns = self.libraries()
        return [name for name, cases in self.runs.items()
                if name not in columns and nearest_form(case, cases)]

    def rows(self, work):
        cases = [case for case in self.runs.get(OURS, {}) if case.work == work]
        return [self.row(case) for case in cases]

    def row(self, case):
        work = WORKS[case.work]
        mine = self.runs[OURS][case]
        row = Row(case, self._cell(OURS, case, work))
        for library, cases in self.runs.items():
            nearest = nearest_form(case, cases)
            if library == OURS or nearest is None:
                continue
            cell = self._cell(library, nearest, work)
            cell.same_form = nearest == case
            cell.ratio = Spread.of(ratios(mine, cases[nearest], work))
            row.others[library] = cell
        floors = [entry for entry in mine.values() if entry.get(work.floor, 0) > 0]
        row.floor = Spread.of([entry[work.floor] for entry in floors])
        row.floor_ratio = Spread.of([entry[work.value] / entry[work.floor] for entry in floors])
        return row

    def _cell(self, library, case, work):
        entries = self.runs[library][case].values()
        value, *shown = (Spread.of([entry[counter] for entry in entries])
                         for counter in (work.value, *(work.shown or (work.value,))))
        return Cell(library, case, value, shown)

    def curve(self, library, case):
        """The merged percentile curve of all repetitions: [(percentile, ns)]."""
        entries = self.runs.get(library, {}).get(case, {}).values()
        samples = sum(entry.get("samples", 0) for entry in entries)
        return merge_curves([entry.get("label", "") for entry in entries], samples)

    def floor(self, name, counter="p50"):
        entries = self.floors.get("platform/floors/" + name, [])
        return Spread.of([entry[counter] for entry in entries if counter in entry])

    def repetitions(self):
        return max((len(by_repetition) for cases in self.runs.values()
                    for by_repetition in cases.values()), default=0)

    def foreign(self):
        """How much of the machine others used: the median and the worst, and disturbed runs."""
        shares = [entry.get("foreign_cpu", 0.0) for cases in self.runs.values()
                  for by_repetition in cases.values() for entry in by_repetition.values()]
        disturbed = sum(share > DISTURBED for share in shares)
        return Spread.of(shares) or Spread(0, 0, 0), disturbed, len(shares)

    def losses(self):
        """Library -> [(row, cell)] where that library is better."""
        found = {}
        for row in (row for work in WORKS for row in self.rows(work)):
            for library, cell in row.others.items():
                if cell.ratio and cell.ratio.median < 1:
                    found.setdefault(library, []).append((row, cell))
        return found


def ratios(mine, theirs, work):
    """Repetition by repetition, how many times better the first is."""
    found = []
    for repetition in mine.keys() & theirs.keys():
        a, b = mine[repetition][work.value], theirs[repetition][work.value]
        if a > 0 and b > 0:
            found.append(a / b if work.kind in ("rate", "bytes") else b / a)
    return found


def merge_curves(labels, samples):
    """Joins the samples of several runs. Percentiles are never averaged: each stretch of a curve
    is that many samples of its upper end, and the samples of all runs are sorted together. The
    worst of n samples stands at the percentile that n samples can show."""
    curves = [[tuple(map(float, point.split(":"))) for point in label.split(",")]
              for label in labels if label]
    if not curves:
        return []
    masses = sorted((value, (p - before) / len(curves)) for curve in curves
                    for (before, _), (p, value) in zip(curve, curve[1:]))
    grid = sorted({p for curve in curves for p, _ in curve})
    merged, below, at = [(0.0, min(curve[0][1] for curve in curves))], 0.0, 0
    for p in grid[1:-1]:
        while at < len(masses) - 1 and below + masses[at][1] < p - 1e-9:
            below += masses[at][1]
            at += 1
        merged.append((p, masses[at][0]))
    last = 100 * (1 - 1 / max(samples, 2))
    return [point for point in merged if point[0] < last] + [(last, masses[-1][0])]


def counted(number, noun):
    return f"{number} {noun}" + ("" if str(number) == "1" else "s")


def show_time(ns):
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if ns < 0.9995 * limit:
            return f"{show_number(ns / divisor)} {unit}"
    return f"{show_number(ns / 1e9)} s"


def show_number(x):
    """Three digits."""
    if x >= 99.95:
        return f"{x:,.0f}"
    return f"{x:.1f}" if x >= 9.995 else f"{x:.2f}"


def show_value(work, value):
    """As people say it: throughput of small tasks as time per task."""
    if work.kind == "rate":
        return show_time(1e9 / value) if value > 0 else "-"
    if work.kind == "bytes":
        return f"{show_number(value / 1e6)} MB/s"
    if work.kind == "size":
        return f"{value:,.0f} B"
    if work.kind == "factor":
        return f"{show_number(value)}x"
    return show_time(value)


def show_cell(work, cell):
    texts = [show_value(work, spread.median) for spread in cell.shown]
    if len(texts) == 2 and texts[0].split(" ")[1:] == texts[1].split(" ")[1:]:
        texts[0] = texts[0].split(" ")[0]  # one unit for both
    return " / ".join(texts)


def show_factor(x):
    return f"{x / 1000:.1f}k" if x >= 999.5 else show_number(x)


def show_ratio(spread):
    if spread is None:
        return ""
    return (f"{show_factor(spread.median)}x "
            f"[{show_factor(spread.low)}..{show_factor(spread.high)}]")
