# SPDX-License-Identifier: MIT
"""Adds up the logs of test runs: shows what failed, ends with `N passed, N failed`.

usage: tally.py [--broken N] LOG.json...
A log that is not there, and --broken, count as failures: something ended before its tests ran.
Exit code 0 only when something passed and nothing failed."""
import argparse
import json
import pathlib
import re
import sys

PASSED, SKIPPED = {"OK", "EXPECTEDFAIL"}, {"SKIP"}
SIGNS = re.compile(r"Failure|FAILED|WARNING: Thread|ERROR: |runtime error|Assertion|replay|seed")


def excerpt(test):
    """Where it says what is wrong, and its end: a reader may see only the last lines of a run."""
    lines = (test.get("stdout", "") + test.get("stderr", "")).splitlines()
    first = next((i for i, line in enumerate(lines) if SIGNS.search(line)), len(lines))
    shown = lines[max(first - 2, 0) : first + 38]
    if first + 38 < len(lines):
        shown += ["..."] + lines[max(first + 38, len(lines) - 10) :]
    return [f"    {line}" for line in shown]


parser = argparse.ArgumentParser()
parser.add_argument("--broken", type=int, default=0)
parser.add_argument("logs", nargs="*", type=pathlib.Path)
options = parser.parse_args()

passed, failed, skipped = 0, options.broken, 0
for log in options.logs:
    if not log.exists():
        print(f"no test ran: {log}")
        failed += 1
        continue
    for line in log.read_text().splitlines():
        test = json.loads(line)
        passed += test["result"] in PASSED
        skipped += test["result"] in SKIPPED
        if test["result"] not in PASSED | SKIPPED:
            failed += 1
            print(f"{test['result'].lower()}: {test['name']} ({log})", *excerpt(test), sep="\n")
if skipped:
    print(f"{skipped} skipped")
print(f"{passed} passed, {failed} failed")
sys.exit(0 if passed and not failed else 1)
