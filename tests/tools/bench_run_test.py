# SPDX-License-Identifier: MIT
"""The runner as a user meets it: what it writes, and what it says when something is wrong."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

RUNNER = Path(__file__).resolve().parents[2] / "tools" / "bench_run.py"

# Stands in for both programs: lists two libraries, writes a result, and fails for one library if
# a file called broken lies beside it.
PROGRAM = """#!{python}
import json, pathlib, re, sys
names = ["compare/spawn_inside/pinion/workers:2/pinned", "compare/spawn_inside/other/workers:2/pinned"]
options = dict(a.lstrip("-").split("=", 1) for a in sys.argv[1:] if "=" in a)
if "--benchmark_list_tests" in sys.argv:
    print("\\n".join(name + "/iterations:1/manual_time" for name in names))
    sys.exit()
wanted = [n for n in names if re.match(options.get("benchmark_filter", "platform"), n)]
if wanted and "other" in wanted[0] and pathlib.Path(__file__).with_name("broken").exists():
    sys.exit("a task was lost")
entries = [dict(name=n, run_type="iteration", items_per_second=1e6) for n in wanted]
document = dict(context=dict(cpus_usable=2), benchmarks=entries)
pathlib.Path(options["benchmark_out"]).write_text(json.dumps(document))
"""


class Runner(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.build = Path(self.scratch.name)
        for name in ("bench/compare/bench_compare", "bench/bench_platform_floors"):
            program = self.build / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(PROGRAM.replace("{python}", sys.executable))
            program.chmod(0o755)

    def run_it(self, *arguments):
        return subprocess.run([sys.executable, "-B", RUNNER, "--build-dir", self.build, "--out",
                               self.build / "out", *arguments], capture_output=True, text=True,
                              check=False)

    def test_writes_all_repetitions_and_a_report(self):
        ended = self.run_it("--repetitions", "2")
        # On a slow machine it says how far it is.
        errors = [line for line in ended.stderr.splitlines() if not line.endswith(" left")]
        self.assertEqual((ended.returncode, errors), (0, []))
        self.assertIn("spawn_inside", ended.stdout)
        written = json.loads((self.build / "out" / "bench.json").read_text())
        self.assertEqual(sorted((e["name"].split("/")[2], e["repetition_index"])
                                for e in written["benchmarks"]),
                         [("other", 0), ("other", 1), ("pinion", 0), ("pinion", 1)])
        self.assertIn("<svg", (self.build / "out" / "report.html").read_text())

    def test_a_benchmark_that_fails_is_named_and_the_rest_is_kept(self):
        (self.build / "bench/compare/broken").touch()
        ended = self.run_it("--repetitions", "1")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("spawn_inside/other/workers:2/pinned: exit 1: a task was lost", ended.stderr)
        self.assertIn("pinion", ended.stdout)

    def test_bad_arguments_are_one_line_and_exit_code_2(self):
        for arguments in (["--repetitions", "0"], ["--repetitions", "many"], ["--only", "("],
                          ["--only", "no such case"], ["--surprise"],
                          ["--build-dir", str(self.build / "missing")]):
            ended = self.run_it(*arguments)
            self.assertEqual((ended.returncode, ended.stderr.count("\n"), ended.stdout),
                             (2, 1, ""), arguments)


if __name__ == "__main__":
    unittest.main()
