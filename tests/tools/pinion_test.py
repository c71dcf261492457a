# SPDX-License-Identifier: MIT
"""The `pinion` program answers what it is asked, and bad input with one line and exit code 2."""
import json
import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1)


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=20)


class Pinion(unittest.TestCase):
    def test_help(self):
        for arguments in ["--help"], ["topo", "--help"], ["stress", "--help"]:
            done = run(*arguments)
            self.assertEqual(done.returncode, 0)
            self.assertIn("--help", done.stdout)

    def test_bad_input_gets_one_line_and_code_2(self):
        for arguments in [
                [], ["nonsense"], ["--json"],
                ["topo", "extra"], ["topo", "--workers"], ["topo", "--workers", "x"],
                ["topo", "--workers", "-1"], ["topo", "--workers", "1000000"],
                ["topo", "--workers", "99999999999999999999"], ["topo", "--pin", "everywhere"],
                ["topo", "--pus", "4000000"], ["topo", "--pus", "0,,x"], ["topo", "--pus", "-1"],
                ["topo", "--pin", "core", "--pus", "0"],
                ["topo", "--machine", "socks:2"], ["topo", "--machine", "core:99999999"],
                ["stress", "--seconds", "0"], ["stress", "--seconds", "-3"], ["stress", "--seconds", "soon"],
                ["stress", "--seconds", "nan"], ["stress", "--seconds"],
                ["stress", "--threads", "0"], ["stress", "--threads", "1e9"], ["stress", "--threads", "-1"],
                ["stress", "--workers", "257"], ["stress", "--load", "heavy"], ["stress", "--load", ""],
                ["stress", "--faults", "pin,gremlins"], ["stress", "--every", "0"],
                ["stress", "--stuck-after", "x"], ["stress", "--seed", "0x"], ["stress", "--seed", "-1"],
                ["stress", "--plant", "tree"], ["stress", "now"]]:
            with self.subTest(arguments=arguments):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertTrue(done.stderr.startswith("pinion: "), done.stderr)

    def test_topo_says_where_each_worker_goes(self):
        done = run("topo", "--machine", "pack:2 core:4 pu:2", "--workers", "3")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("16 PUs", done.stdout)
        self.assertEqual(len([line for line in done.stdout.splitlines() if line[:1].isdigit()]), 3)

    def test_topo_for_programs(self):
        for arguments in [], ["--machine", "pack:2 core:4 pu:2", "--workers", "3"], ["--pin", "none"]:
            done = run("topo", "--json", *arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            said = json.loads(done.stdout)
            self.assertGreaterEqual(len(said["plan"]["workers"]), 1)
            self.assertGreaterEqual(said["machine"]["available"], 1)
            for worker in said["plan"]["workers"]:
                self.assertTrue(worker["reason"])


if __name__ == "__main__":
    unittest.main()
