# SPDX-License-Identifier: MIT
"""Do Relacy and our own checker agree about a structure and all its mutants?

Usage: agreement.py RELACY_TEST MODEL_TEST DISAGREEMENTS

Both programs are the same model test, run by one checker each. As it is written, Relacy must pass
it. Of its mutants (one memory order weaker, one fence or wake-up left out) both must kill the same;
where they do not, the mutant has its argument in the list, and nothing else is on the list. Exit
code: 0 when that is so, 1 when not, 2 for wrong arguments.
"""
import os
import pathlib
import re
import subprocess
import sys

MUTANTS = re.compile(r"^\[ MUTANTS  \] (\d+) of (\d+) killed", re.MULTILINE)
SURVIVOR = re.compile(r"^\[ SURVIVOR \] (.*?)(?: \(not on the list\))?$", re.MULTILINE)
FAILED = re.compile(r"^\[  FAILED  \] (\S+) \(", re.MULTILINE)
LISTED = re.compile(r"^- `([^`]+)`", re.MULTILINE)


def run(program, *arguments):
    return subprocess.run([program, *arguments], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout


def opinion(told, program):
    """(mutants, survivors)"""
    found = MUTANTS.findall(told)
    if not found:
        sys.exit(f"{program} says nothing of mutants:\n{told}")
    return sum(int(total) for _, total in found), set(SURVIVOR.findall(told))


def main():
    if len(sys.argv) != 4 or not all(pathlib.Path(a).is_file() for a in sys.argv[1:]):
        print("usage: agreement.py RELACY_TEST MODEL_TEST DISAGREEMENTS", file=sys.stderr)
        return 2
    relacy, ours, listed = sys.argv[1:]
    told = run(relacy)
    wrong = [name for name in FAILED.findall(told) if "mutants" not in name]
    if wrong or "tests ran." not in told:
        print(told)
    mutants, relacy_lets_live = opinion(told, relacy)
    ours_mutants, ours_lets_live = opinion(run(ours, "--gtest_filter=*mutants*"), ours)
    subject = os.path.basename(relacy).removeprefix("relacy_")
    known = {name for name in LISTED.findall(pathlib.Path(listed).read_text())
             if name.startswith(subject + ".")}
    differ = relacy_lets_live ^ ours_lets_live
    for name in sorted(differ):
        who = "Relacy" if name in relacy_lets_live else "our checker"
        print(f"survives {who} alone{'' if name in known else ', with no argument'}: {name}")
    for name in sorted(known - differ):
        print(f"they agree, but an argument says not: {name}")
    if mutants != ours_mutants:
        print(f"not the same mutants: {mutants} here, {ours_mutants} there")
    print(f"{subject}: {mutants} mutants, killed by both {mutants - len(relacy_lets_live | ours_lets_live)}, "
          f"by none {len(relacy_lets_live & ours_lets_live)}")
    # A verdict on each mutant, and one on the code as it is.
    print(f"metric relacy_verdicts={mutants + 1}")
    print(f"metric relacy_agreed={mutants - len(differ) + int(not wrong)}")
    print(f"metric relacy_explained={len(differ & known)}")
    return 1 if wrong or differ != known or mutants != ours_mutants else 0


sys.exit(main())
