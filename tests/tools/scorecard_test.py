# SPDX-License-Identifier: MIT
"""The scorecard adds up what tests print, says what is short, and answers bad input in one line."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

DEV = pathlib.Path(__file__).resolve().parents[2] / "tools/dev"
sys.path.insert(0, str(DEV))
import metrics  # noqa: E402


def run(*arguments):
    return subprocess.run([sys.executable, "-B", str(DEV / "scorecard"), *arguments], capture_output=True,
                          text=True, timeout=100)


class Scorecard(unittest.TestCase):
    def test_figures_of_the_same_name_are_added_up(self):
        found = metrics.of_text("metric a=1\n[ OK ]\nmetric a=2.5\nmetric b=-3\nmetric c=x\n metric a=9\n")
        self.assertEqual(found["a"], (3.5, 2))
        self.assertEqual(found["b"], (-3, 1))
        self.assertEqual(found["c"], (0, 0))

    def test_bad_input_gets_one_line_and_code_2(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "build.ninja").touch()
            for arguments in [["--build", "nowhere"], ["--build", folder, "--seconds", "0"],
                              ["--build", folder, "--rounds", "many"], ["--build", folder, "--only", "nothing such"],
                              ["--build", folder, "now"]]:
                done = run(*arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_a_line_for_each_row(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "build.ninja").touch()
            done = run("--build", folder, "--only", "promises", "--only", "fuzz", "--only", "operations")
        self.assertEqual(done.stdout.splitlines(), ["operations=not yet bar=100000000 not yet",
                                                    "fuzz_crashes=not yet bar=0 not yet",
                                                    "promises_with_tests=15/15 bar=all ok"])
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
