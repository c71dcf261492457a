# SPDX-License-Identifier: MIT
"""Only the platform layer touches atomics, locks, threads, clocks and futexes by their own names;
everything above goes through pinion::os."""
import re

import source

RAW = re.compile(
    r"\bstd::(?:atomic\w*|(?:\w+_)?mutex|condition_variable\w*|this_thread|thread|jthread|call_once"
    r"|counting_semaphore|binary_semaphore|latch|barrier|future|promise|async)\b"
    r"|\b(?:steady|system|high_resolution)_clock::now\b|\bclock_gettime\b|\bpthread_(?!atfork|sigmask)\w+"
    r"|\bSYS_futex\b|\bFUTEX_\w+|\bsched_\w+|\bmemory_order(?:_|::)consume\b")
PLATFORM = ("include/pinion/platform/", "src/platform/")

findings = []
for path, name in source.files("include", "src"):
    if name.startswith(PLATFORM):
        continue
    code, _ = source.split(path.read_text())
    findings += [f"{name}:{source.line_of(code, m.start())}: {m[0]} outside of platform"
                 for m in RAW.finditer(code)]
source.report(findings)
