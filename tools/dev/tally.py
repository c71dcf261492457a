# SPDX-License-Identifier: MIT
"""Adds up the logs of test runs: names what failed, ends with `N passed, N failed`.

usage: tally.py [--broken N] LOG.json...
A log that is not there, and --broken, count as failures: something ended before its tests ran.
Exit code 0 only when something passed and nothing failed."""
import argparse
import json
import pathlib
import sys

PASSED, SKIPPED = {"OK", "EXPECTEDFAIL"}, {"SKIP"}

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
            print(f"{test['result'].lower()}: {test['name']} ({log})")
if skipped:
    print(f"{skipped} skipped")
print(f"{passed} passed, {failed} failed")
sys.exit(0 if passed and not failed else 1)
