# SPDX-License-Identifier: MIT
"""Figures that tests print, a line each: `metric name=value`, as in tests/support/metric.hpp. Those of
the same name are added up."""
import collections
import json
import re

LINE = re.compile(r"^metric (\w+)=([-+.\deE]+)$", re.MULTILINE)


def of_text(text):
    """Name -> (sum, how many lines)."""
    found = collections.defaultdict(lambda: (0, 0))
    for name, value in LINE.findall(text):
        total, lines = found[name]
        found[name] = (total + float(value), lines + 1)
    return found


def tests_of_log(path):
    """Name -> (result, output) of every test in a log of Meson's; none when there is no log."""
    if not path.exists():
        return {}
    tests = [json.loads(line) for line in path.read_text().splitlines()]
    return {test["name"].split(" / ")[-1]: (test["result"], test.get("stdout", "")) for test in tests}
