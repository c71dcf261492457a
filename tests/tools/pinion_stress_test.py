# SPDX-License-Identifier: MIT
"""`pinion stress` finds nothing in the library, under no fault and under each; and finds each
error that it makes on purpose, so that the first is worth something. PINION_STRESS_SCALE sets how
long it takes."""
import json
import os
import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1)
SECONDS = max(1.0, 4 * float(os.environ.get("PINION_STRESS_SCALE", "1")))


def run(*arguments, seconds=SECONDS):
    done = subprocess.run([PROGRAM, "stress", "--json", "--seconds", str(seconds), *arguments],
                          capture_output=True, text=True, timeout=250)
    return done, [json.loads(line) for line in done.stdout.splitlines()]


class Stress(unittest.TestCase):
    def expect_clean(self, *arguments, seconds=SECONDS):
        done, said = run(*arguments, seconds=seconds)
        end = said[-1]
        print(" ".join(arguments), "seed", said[0]["seed"], end.get("submitted"), flush=True)
        self.assertEqual((done.returncode, end["findings"]), (0, []), done.stdout + done.stderr)
        self.assertEqual(end["lost"] + end["duplicated"] + end["out_of_order"], 0)
        self.assertEqual(end["submitted"], end["ran"] + end["given_up"] + end["refused"])
        self.assertGreater(end["ran"], 0)

    def test_nothing_is_lost(self):
        self.expect_clean("--every", "1")

    def test_nothing_is_lost_with_many_workers(self):
        self.expect_clean("--workers", "16", "--threads", "8")

    def test_nothing_is_lost_under_faults(self):
        for fault in "pin", "one-cpu", "signals", "freeze", "hog", "throw", "full":
            with self.subTest(fault=fault):
                # All threads on one CPU, under a sanitizer maybe: they take a second to begin.
                seconds = max(SECONDS, 5.0) if fault == "one-cpu" else SECONDS
                self.expect_clean("--faults", fault, seconds=seconds)

    def expect_found(self, plant, said_to_be, *arguments, seconds=1.0):
        done, said = run("--plant", plant, "--load", "post,wake", "--threads", "2", *arguments,
                         seconds=seconds)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertFalse(said[-1]["ok"])
        self.assertIn(said_to_be, " ".join(said[-1]["findings"]))
        return done

    def test_what_is_lost_is_found(self):
        self.expect_found("lost", "1 lost")

    def test_what_runs_twice_is_found(self):
        self.expect_found("duplicate", "1 duplicated")

    def test_what_is_out_of_order_is_found(self):
        self.expect_found("order", "1 out of order")

    def test_memory_that_grows_is_found(self):
        if not run("--load", "post", seconds=0.2)[1][0]["judges_memory"]:
            self.skipTest("a sanitizer's own memory grows")
        self.expect_found("leak", "memory grows", seconds=4.0)

    def test_workers_that_sleep_through_work_are_found(self):
        self.expect_found("asleep", "slept for", seconds=2.0)

    def test_who_is_stuck_is_found_and_all_stacks_are_printed(self):
        done = self.expect_found("stuck", "has not moved", "--stuck-after", "1", seconds=20.0)
        self.assertIn("stacks of all threads", done.stderr)

    def test_a_seed_is_printed_and_taken(self):
        _, said = run("--seed", "4711", "--load", "post", seconds=0.2)
        self.assertEqual((said[0]["seed"], said[-1]["seed"]), (4711, 4711))

    def test_lines_for_people(self):
        done = subprocess.run([PROGRAM, "stress", "--seconds", "1", "--every", "0.3", "--seed", "7"],
                              capture_output=True, text=True, timeout=250)
        lines = done.stdout.splitlines()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue(lines[0].startswith("seed 7: "))
        self.assertIn("longest park", lines[1])
        self.assertTrue(lines[-1].startswith("ok: seed 7"))


if __name__ == "__main__":
    unittest.main()
