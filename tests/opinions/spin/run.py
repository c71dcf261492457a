# SPDX-License-Identifier: MIT
"""Runs what a Spin model says about itself, exhaustively.

Usage: run.py SPIN CC MODEL

A line of the model's first comment is one search: what is claimed, the macros that make it, and how.

    holds: what the protocol promises  | -DW=2 ...           | safety
    fails: what is left out of it      | -DW=2 ... -DNO_LOOK | fair

`safety` looks for failed assertions and for states in which all stand still; `fair` checks the
model's formula where every process that can go on does so some day. A search that `holds` must go
through every state without an error, one that `fails` must find an error. Exit code: 0 when all is
as claimed, 1 when not, 2 for wrong arguments.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

CLAIM = re.compile(r"^ \* (holds|fails): ([^|\n]+?) *\| ([^|\n]*?) *\| (safety|fair)$", re.MULTILINE)
STATES = re.compile(r"^ *(\S+) states, stored", re.MULTILINE)
ERRORS = re.compile(r"errors: (\d+)")
CUT_SHORT = ("reached -DMEMLIM", "max search depth too small", "out of memory")
MODES = {
    "safety": (["-DSAFETY", "-DNOCLAIM"], []),
    "fair": (["-DNFAIR=5"], ["-a", "-f"]),
}
MEGABYTES_MAX = 2000
STEPS_MAX = 500000
SECONDS_MAX = 240


def search(spin, cc, model, macros, mode):
    """(errors, complete, states) of one search."""
    how, arguments = MODES[mode]
    with tempfile.TemporaryDirectory() as folder:
        def run(*command):
            done = subprocess.run(command, cwd=folder, text=True, timeout=SECONDS_MAX,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")
            return done.stdout
        run(spin, "-a", *macros, model)
        run(cc, "-O1", "-w", "-DCOLLAPSE", f"-DMEMLIM={MEGABYTES_MAX}", *how, "-o", "pan", "pan.c")
        told = run("./pan", f"-m{STEPS_MAX}", *arguments)
    errors = int(ERRORS.search(told)[1])
    return errors, not any(words in told for words in CUT_SHORT), int(float(STATES.search(told)[1]))


def main():
    if len(sys.argv) != 4 or not pathlib.Path(sys.argv[3]).is_file():
        print("usage: run.py SPIN CC MODEL", file=sys.stderr)
        return 2
    spin, cc, model = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve()
    claims = CLAIM.findall(model.read_text())
    as_claimed = {"holds": 0, "fails": 0}
    for kind, what, macros, mode in claims:
        errors, complete, states = search(spin, cc, str(model), macros.split(), mode)
        good = (errors == 0 and complete) if kind == "holds" else errors > 0
        as_claimed[kind] += good
        found = "an error" if errors else "no error" if complete else "no error, but cut short"
        print(f"{'ok  ' if good else 'FAIL'} {kind} {mode:6} {what:46} {found}, {states} states",
              flush=True)
    total = {kind: sum(claim[0] == kind for claim in claims) for kind in as_claimed}
    good = as_claimed == total and total["holds"] > 0 and total["fails"] > 0
    print(f"metric spin_models={int(good)}")
    print(f"metric spin_searches={as_claimed['holds']}")
    print(f"metric spin_bugs_found={as_claimed['fails']}")
    return 0 if good else 1


sys.exit(main())
