# SPDX-License-Identifier: MIT
"""Seeds one violation at a time into a small tree and sees each style check find it, and nothing
in the tree without."""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
CLEAN = {
    "include/pinion/platform/a.hpp": "#include <atomic>\n\nnamespace os {\ntemplate <class T>\n"
                                     "using atomic = std::atomic<T>;\n}\n",
    "include/pinion/sync/b.hpp": '#include "pinion/platform/a.hpp"\n',
    "src/platform/topology.cpp": "#include <hwloc.h>\n",
    "src/sync/c.cpp": "os::atomic<int> count_{0};\n"
                      "// release: publishes x; pairs with the acquire in take.\n"
                      "void put() { count_.store(1, std::memory_order_release); }\n"
                      "int take() { return count_.load(std::memory_order_acquire); }  // acquire: x\n",
    "docs/d.md": "See `take` and `src/sync/c.cpp`.\n",
}
# Check -> what to add to which file -> what must be said.
SEEDS = {
    "layers": [
        ("include/pinion/platform/a.hpp", '#include "pinion/sync/b.hpp"\n', "stands above"),
        ("include/pinion/sync/b.hpp", '#include "src/sync/x.hpp"\n', "public header"),
        ("include/pinion/patterns/e.hpp", '#include "src/sync/x.hpp"\n', "public header"),
        ("src/patterns/e.cpp", '#include "src/sync/x.hpp"\n', "no private ones"),
        ("src/sync/c.cpp", '#include "x.hpp"\n', "from the root"),
        ("src/sync/c.cpp", "#include <hwloc/plugins.h>\n", "one door"),
        ("include/pinion/sync/b.hpp", "#include <hwloc.h>\n", "hwloc may not"),
        ("src/sync/c.cpp", "#include <concurrentqueue/concurrentqueue.h>\n", "moodycamel may not"),
        ("src/sync/c.cpp", "#include <gtest/gtest.h>\n", "GoogleTest may not"),
        ("tests/x_test.cpp", "#include <benchmark/benchmark.h>\n", "Google Benchmark may not"),
        ("src/sync/detail/x.hpp", "", "no folder is named"),
    ],
    "orders": [
        ("src/sync/c.cpp", "\n" * 5 + "int x = count_.load(std::memory_order_relaxed);\n", "relaxed, but"),
        ("src/sync/c.cpp", "\n// acquire: no, this is\nint x = count_.load(std::memory_order_seq_cst);\n",
         "seq_cst, but"),
        ("src/sync/c.cpp", "int x = count_.load();\n", "load without"),
        ("src/sync/c.cpp", "bool x = count_.compare_exchange_weak(f(1), 2);\n", "weak without"),
        ("src/sync/c.cpp", "void f() { ++count_; }\n", "hides a seq_cst"),
        ("src/sync/c.cpp", "void f() { count_ = 2; }\n", "hides a seq_cst"),
    ],
    "seam": [
        ("src/sync/c.cpp", "std::atomic<int> x;\n", "std::atomic outside"),
        ("src/sync/c.cpp", "std::mutex x;\n", "std::mutex outside"),
        ("include/pinion/sync/b.hpp", "auto t = std::chrono::steady_clock::now();\n", "now outside"),
        ("src/sync/c.cpp", "syscall(SYS_futex, 0);\n", "SYS_futex outside"),
    ],
    "names": [
        ("docs/d.md", "And `steal`.\n", "no steal"),
        ("docs/d.md", "And `src/sync/gone.cpp`.\n", "no gone"),
        ("src/sync/c.cpp", "// See `steal`.\n", "no steal"),
        ("src/sync/c.cpp", "// acquire: sees y; pairs with the release in give.\n", "no give"),
    ],
    "paths": [("docs/d.md", "Built in /ho" "me/somebody/pinion.\n", "somebody")],
    "readme": [("README.md", "```cpp\nint x;\n```\n", "not that of")],
    "format": [("src/sync/c.cpp", "int  x ;\n", "clang-format")],
}


def run(check, files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        pathlib.Path(root, ".clang-format").write_text("BasedOnStyle: Google\nColumnLimit: 100\n")
        done = subprocess.run([sys.executable, HERE / f"check_{check}.py", root],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


wrong = []
for check, seeds in SEEDS.items():
    code, said = run(check, CLEAN)
    if code == 77:
        continue
    if code != 0:
        wrong.append(f"{check} complains about a clean tree: {said}")
    for name, text, expected in seeds:
        code, said = run(check, CLEAN | {name: CLEAN.get(name, "") + text})
        if code != 1 or expected not in said:
            wrong.append(f"{check} misses {text!r} in {name}, says: {said!r}")
print("\n".join(wrong) or f"{sum(map(len, SEEDS.values()))} violations seeded, all found")
sys.exit(1 if wrong else 0)
