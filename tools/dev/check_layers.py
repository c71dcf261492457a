# SPDX-License-Identifier: MIT
"""Includes never point up the arrow platform <- lockfree <- sync <- runtime <- patterns, private
headers stay private, and every third-party library enters by one door."""
import re

import source

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)', re.MULTILINE)
OURS = re.compile(r"(pinion|src)/(%s)/" % "|".join(source.LAYERS))
OWN = re.compile(r"(include/pinion|src)/(%s)/" % "|".join(source.LAYERS))
# Library -> (where it may be included, how many files may do so).
DOORS = {
    "hwloc": (r"hwloc(/|\.h)", r"src/.*\.cpp$", 1),
    "moodycamel": (r"concurrentqueue/|(.*/)?(blocking)?concurrentqueue\.h", r"src/.*\.hpp$", 1),
    "Google Benchmark": (r"benchmark/", r"bench/", None),
    "GoogleTest": (r"g(test|mock)/", r"tests/", None),
}
FORBIDDEN_FOLDERS = {"detail", "util", "common", "misc"}


def check_arrow(name, bracket, included):
    own, ours = OWN.match(name), OURS.match(included)
    if not own:
        return None
    if bracket == '"' and not ours and included != "pinion/pinion.hpp":
        return "a quoted include is written from the root: pinion/... or src/..."
    if not ours:
        return None
    if name.startswith("include/") and ours[1] == "src":
        return "a public header includes a private one"
    if source.LAYERS.index(ours[2]) > source.LAYERS.index(own[2]):
        return f"{own[2]} includes {ours[2]}, which stands above it"
    if own[2] == "patterns" and ours[1] == "src" and ours[2] != "patterns":
        return "patterns use public headers of the layers below, no private ones"
    return None


findings, doors = [], {library: [] for library in DOORS}
for path, name in source.files("include", "src", "tests", "bench", "tools", "examples"):
    if FORBIDDEN_FOLDERS & set(name.split("/")[:-1]):
        findings.append(f"{name}: no folder is named {', '.join(sorted(FORBIDDEN_FOLDERS))}")
    text = path.read_text()
    for match in INCLUDE.finditer(text):
        at = f"{name}:{source.line_of(text, match.start(2))}"
        if wrong := check_arrow(name, match[1], match[2]):
            findings.append(f"{at}: {wrong}: {match[2]}")
        for library, (header, place, _) in DOORS.items():
            if re.match(header, match[2]):
                doors[library].append(at)
                if not re.match(place, name):
                    findings.append(f"{at}: {library} may not be included here")
for library, (_, _, most) in DOORS.items():
    inside = {at.split(":")[0] for at in doors[library]}
    if most is not None and len(inside) > most:
        findings.append(f"{library} has one door, but enters by {', '.join(sorted(inside))}")
source.report(findings)
