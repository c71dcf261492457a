# SPDX-License-Identifier: MIT
"""The arithmetic behind the table: pairing, ratios, merged curves, and how numbers are shown."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import bench_report
import bench_table
from bench_results import Case, Results, merge_curves, nearest_form, show_time, split_name


def run(name, repetition, **counters):
    return {"name": name, "run_type": "iteration", "repetition_index": repetition, **counters}


def throughput(library, rates, form="unpinned", work="spawn_inside"):
    return [run(f"compare/{work}/{library}/workers:2/{form}", i, items_per_second=rate)
            for i, rate in enumerate(rates)]


def results(*groups):
    return Results({"context": {"cpus_usable": 2}, "benchmarks": [e for g in groups for e in g]})


class Names(unittest.TestCase):
    def test_a_name_is_a_case_and_a_library(self):
        case, library = split_name("compare/post_cost/pinion/workers:1/worker:busy")
        self.assertEqual((case, library),
                         (Case("post_cost", ("workers:1", "worker:busy")), "pinion"))
        self.assertIsNone(split_name("platform/floors/clock"))

    def test_a_library_without_the_form_stands_in_with_its_nearest(self):
        pinned = Case("spawn_inside", ("workers:2", "pinned"))
        unpinned = Case("spawn_inside", ("workers:2", "unpinned"))
        self.assertEqual(nearest_form(pinned, {unpinned, pinned}), pinned)
        self.assertEqual(nearest_form(pinned, {unpinned}), unpinned)
        self.assertIsNone(nearest_form(Case("treesum", ("pinned",)), {unpinned}))


class Ratios(unittest.TestCase):
    def test_are_taken_within_a_repetition_and_then_the_median(self):
        r = results(throughput("pinion", [10e6, 5e6, 8e6]), throughput("mutex_pool", [5e6, 5e6, 2e6]))
        ratio = r.rows("spawn_inside")[0].others["mutex_pool"].ratio
        self.assertEqual((ratio.median, ratio.low, ratio.high), (2, 1, 4))

    def test_of_latencies_are_above_one_when_ours_is_shorter(self):
        ours = [run("compare/submit_wait/pinion/workers:2", 0, p50=100, p99=300)]
        theirs = [run("compare/submit_wait/onetbb/workers:2", 0, p50=250, p99=300)]
        self.assertEqual(results(ours, theirs).rows("submit_wait")[0].others["onetbb"].ratio.median,
                         2.5)

    def test_a_repetition_that_one_of_them_lacks_does_not_count(self):
        r = results(throughput("pinion", [1e6, 4e6]), throughput("mutex_pool", [1e6]))
        self.assertEqual(r.rows("spawn_inside")[0].others["mutex_pool"].ratio.high, 1)

    def test_losses_are_told(self):
        r = results(throughput("pinion", [1e6]), throughput("mutex_pool", [2e6]))
        self.assertEqual(list(r.losses()), ["mutex_pool"])
        self.assertIn("Behind mutex_pool: spawn_inside", bench_table.table(r))
        self.assertIn("Where Pinion is behind", bench_report.page(r))


class Curves(unittest.TestCase):
    def test_one_run_stays_as_it_is_and_its_worst_is_one_sample(self):
        self.assertEqual(merge_curves(["0:1,50:2,90:3,100:9"], 100),
                         [(0.0, 1), (50, 2), (90, 3), (99, 9)])

    def test_samples_are_joined_and_percentiles_not_averaged(self):
        # Half of all samples are 10, the other half 1000: no percentile is near the mean.
        merged = dict(merge_curves(["0:10,50:10,90:10,100:10", "0:1000,50:1000,90:1000,100:1000"],
                                   200))
        self.assertEqual((merged[50], merged[90]), (10, 1000))

    def test_runs_without_a_curve_give_none(self):
        self.assertEqual(merge_curves(["", ""], 0), [])


class Shown(unittest.TestCase):
    def test_times_have_three_digits(self):
        self.assertEqual([show_time(t) for t in (2.3, 57.14, 999.6, 33_900, 2.8e6, 5e9)],
                         ["2.30 ns", "57.1 ns", "1.00 µs", "33.9 µs", "2.80 ms", "5.00 s"])

    def test_a_table_of_one_library_alone_is_a_table(self):
        self.assertIn("spawn_inside", bench_table.table(results(throughput("pinion", [1e6]))))
        self.assertIn("spawn_inside", bench_table.table(results(throughput("pinion", [1e6])),
                                                        width=80))


if __name__ == "__main__":
    unittest.main()
