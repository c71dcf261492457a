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
    "src/lockfree/q.hpp": "#include <concurrentqueue/concurrentqueue.h>\n"
                          "struct traits : moodycamel::ConcurrentQueueDefaultTraits {\n"
                          "  static constexpr int BLOCK_SIZE = 32;\n"
                          "  static constexpr int INITIAL_IMPLICIT_PRODUCER_HASH_SIZE = 0;\n"
                          "};\n"
                          "using queue = moodycamel::ConcurrentQueue<int, traits>;\n",
    "src/lockfree/q.cpp": "bool put(int w) { return queue_.enqueue(from.token_, w); }\n"
                          "bool get(int* w) { return queue_.try_dequeue_bulk(to.token_, w, 2); }\n",
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
        ("include/pinion/sync/b.hpp", "auto t = std::chrono::steady_clock::now();\n",
         "steady_clock outside"),
        ("src/sync/c.cpp", "syscall(SYS_futex, 0);\n", "SYS_futex outside"),
        ("src/sync/c.cpp", "syscall(__NR_futex, 0);\n", "__NR_futex outside"),
        ("src/sync/c.cpp", "int o = FUTEX_WAIT;\n", "FUTEX_WAIT outside"),
        ("src/sync/c.cpp", "#include <linux/futex.h>\n", "<linux/futex.h> outside"),
        ("src/sync/c.cpp", "std::atomic_thread_fence(seq_cst);\n", "std::atomic_thread_fence outside"),
        ("src/sync/c.cpp", "std::atomic_ref<int> x(y);\n", "std::atomic_ref outside"),
        ("src/sync/c.cpp", "__atomic_store_n(&x, 1, 0);\n", "__atomic_store_n outside"),
        ("src/sync/c.cpp", "std::this_thread::sleep_for(x);\n", "std::this_thread outside"),
        ("src/sync/c.cpp", "this_thread::sleep_until(x);\n", "this_thread::sleep_until outside"),
        ("src/sync/c.cpp", "::nanosleep(&t, nullptr);\n", "nanosleep outside"),
        ("src/sync/c.cpp", "::usleep(1);\n", "usleep outside"),
        ("src/sync/c.cpp", "using c = std::chrono::system_clock;\n", "chrono::system_clock outside"),
        ("src/sync/c.cpp", "auto t = steady_clock::now();\n", "steady_clock::now outside"),
        ("src/sync/c.cpp", "::clock_gettime(CLOCK_MONOTONIC, &t);\n", "clock_gettime outside"),
        ("src/sync/c.cpp", "auto t = __rdtsc();\n", "__rdtsc outside"),
        ("src/sync/c.cpp", "auto t = __builtin_ia32_rdtsc();\n", "__builtin_ia32_rdtsc outside"),
        ("src/sync/c.cpp", '__asm__("pause");\n', "__asm__ outside"),
        ("src/sync/c.cpp", "std::thread t(f);\n", "std::thread outside"),
        ("src/sync/c.cpp", "std::jthread t(f);\n", "std::jthread outside"),
        ("src/sync/c.cpp", "#include <thread>\n", "<thread> outside"),
        ("src/sync/c.cpp", "::pthread_create(&t, nullptr, f, nullptr);\n", "pthread_create outside"),
        ("src/sync/c.cpp", "std::shared_mutex x;\n", "std::shared_mutex outside"),
        ("src/lockfree/q.cpp", "bool f() { return queue_.enqueue(w); }\n", "enqueue without a token"),
        ("src/lockfree/q.cpp", "bool f() { return queue_.try_dequeue(w); }\n",
         "try_dequeue without a token"),
        ("src/lockfree/q.cpp", "bool f() { return q->try_enqueue_bulk(w, 2); }\n",
         "try_enqueue_bulk without a token"),
        ("src/lockfree/q.hpp", "struct u { static const int BLOCK_SIZE = 64; };\n", "not a number up"),
        ("src/lockfree/q.hpp", "struct u { static const int BLOCK_SIZE = 1 << 4; };\n", "not a number up"),
        ("src/lockfree/r.hpp", "moodycamel::ConcurrentQueue<int> q;\n", "implicit producers"),
        ("src/lockfree/r.hpp", "moodycamel::ConcurrentQueue<int, some_traits> q;\n",
         "implicit producers"),
        ("src/lockfree/q.hpp", "moodycamel::BlockingConcurrentQueue<int> q;\n", "semaphore"),
        ("src/platform/q.cpp", "#include <concurrentqueue/lightweightsemaphore.h>\n", "semaphore"),
        ("src/lockfree/q.hpp", "#include <concurrentqueue/blockingconcurrentqueue.h>\n", "semaphore"),
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
