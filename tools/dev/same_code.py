#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the seam costs nothing: compiles what is hot twice, as it is and with the standard's own
names in place of those of the seam, and compares the assembly. The perturbing seam, which does cost
something, is compiled as well, to see that a difference would be noticed.

    tools/dev/same_code.py            with g++
    tools/dev/same_code.py clang++    with another compiler
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
HOT = ["src/lockfree/injector.cpp", "src/runtime/handing_in.cpp", "src/runtime/waking.cpp",
       "src/runtime/worker.cpp"]
PLATFORM = ("include/pinion/platform", "src/platform")
STANDARD = {"os::atomic<": "std::atomic<"}
PERTURB = '-DPINION_SEAM="tests/perturb/seam.hpp"'


def plain_copy(root):
    """Everything above the platform with the standard's names. How many were replaced."""
    count = 0
    for folder in ("include", "src"):
        shutil.copytree(ROOT / folder, root / folder)
    for path in [*root.rglob("*.hpp"), *root.rglob("*.cpp")]:
        if path.relative_to(root).as_posix().startswith(PLATFORM):
            continue
        text = path.read_text()
        for ours, standard in STANDARD.items():
            count += text.count(ours)
            text = text.replace(ours, standard)
        path.write_text(text)
    return count


def assembly(compiler, root, source, *more):
    command = [compiler, "-std=c++20", "-O2", "-DNDEBUG", "-S", "-o", "-", "-Iinclude", "-I.", *more, source]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{compiler} fails for {source}:\n{done.stderr}")
    return done.stdout


def main():
    compiler = sys.argv[1] if len(sys.argv) == 2 else "g++"
    if len(sys.argv) > 2 or shutil.which(compiler) is None:
        print(f"usage: same_code.py [COMPILER]; no compiler: {' '.join(sys.argv[1:])}", file=sys.stderr)
        return 2
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        plain = pathlib.Path(folder)
        replaced = plain_copy(plain)
        for source in HOT:
            code = assembly(compiler, ROOT, source)
            if code != assembly(compiler, plain, source):
                wrong.append(f"{source}: the seam changes the code")
            if code == assembly(compiler, ROOT, source, PERTURB):
                wrong.append(f"{source}: the perturbing seam makes no difference, so this shows nothing")
    print("\n".join(wrong) or f"{len(HOT)} sources, {replaced} atomics: the same code with {compiler}")
    return 1 if wrong or replaced == 0 else 0


sys.exit(main())
