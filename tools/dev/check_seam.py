# SPDX-License-Identifier: MIT
"""Only the platform layer touches atomics, locks, threads, clocks and futexes by their own names;
everything above goes through pinion::os. And moodycamel's queue is used only in the way in which it
is known to work."""
import re

import source

RAW = re.compile(
    # C++: atomics and their fences, locks, threads, sleeps, clocks
    r"\bstd::(?:atomic\w*|(?:\w+_)?mutex|condition_variable\w*|this_thread|thread|jthread|call_once"
    r"|counting_semaphore|binary_semaphore|latch|barrier|future|promise|async|time|clock)\b"
    r"|\bthis_thread::\w+|\bchrono::\w+_clock\b|\b(?:steady|system|high_resolution)_clock::now\b"
    r"|\bmemory_order(?:_|::)consume\b"
    # the system
    r"|\bpthread_(?!atfork|sigmask)\w+|\bthrd_\w+|\bsched_\w+|\bclone3?(?=\()"
    r"|\b(?:SYS|__NR)_(?:futex\w*|clone\w*|sched_\w+|clock_\w+|nanosleep|membarrier|rseq)\b|\bFUTEX_\w+"
    r"|\bclock_(?:gettime|nanosleep|getres)\b|\bgettimeofday\b|\btimespec_get\b|\b(?:nano|u)sleep\b"
    # the compiler and the processor
    r"|\b\w*rdtscp?\b|\b__(?:atomic|sync|c11_atomic)_\w+|\b_mm_(?:[lms]fence|pause)\b"
    r"|\b__builtin_ia32_(?:[lms]fence|pause)\b|\b(?:__)?asm(?:__)?\b")
RAW_HEADER = re.compile(
    r"^\s*#\s*include\s*[<\"]((?:thread|condition_variable|semaphore|barrier|latch|future|stop_token"
    r"|shared_mutex|x86intrin\.h|immintrin\.h|threads\.h|linux/futex\.h)[>\"])", re.MULTILINE)
PLATFORM = ("include/pinion/platform/", "src/platform/")

# moodycamel's queue. The older versions that systems still have are wrong in what is not used here:
# producers without a token (they are recycled when threads end), blocks so large that consumers
# count instead of marking their slots, and the blocking queue with its semaphore, which waits by a
# clock that can be set.
MOODYCAMEL = re.compile(r"\bmoodycamel\s*::|concurrentqueue\.h")
UNSAFE = re.compile(r"\bBlocking(?:Reader|Concurrent)\w*|\b(?i:lightweightsemaphore)\b"
                    r"|\bblockingconcurrentqueue\b")
CALL = re.compile(r"(?:\.|->)\s*((?:try_)?(?:en|de)queue(?:_\w+)?)\s*\(([^,()]*)")
BLOCK_SIZE = re.compile(r"\bBLOCK_SIZE\s*=\s*([^;,]+)")
BLOCK_SIZE_MAX = 32
QUEUE = re.compile(r"\bmoodycamel\s*::\s*ConcurrentQueue\s*<([^;]*?)>")
NO_IMPLICIT = re.compile(r"\bINITIAL_IMPLICIT_PRODUCER_HASH_SIZE\s*=\s*0\s*;")


def block_size(text):
    return int(text) if re.fullmatch(r"\d+", text.strip()) else None


def check_moodycamel(code, uses_queue):
    """(offset, what is wrong) in code of which a part, or what it includes, is moodycamel's."""
    for match in UNSAFE.finditer(code):
        yield match.start(), f"{match[0]}: moodycamel's semaphore and what waits on it are not used"
    if not uses_queue:
        return
    for match in CALL.finditer(code):
        if "token" not in match[2]:
            yield match.start(1), f"{match[1]} without a token"
    for match in BLOCK_SIZE.finditer(code):
        size = block_size(match[1])
        if size is None or size > BLOCK_SIZE_MAX:
            yield match.start(), f"{' '.join(match[0].split())}: not a number up to {BLOCK_SIZE_MAX}"
    for match in QUEUE.finditer(code):
        if "," not in match[1] or not NO_IMPLICIT.search(code):
            yield match.start(), "a queue whose traits do not rule out implicit producers"


def uses_moodycamel(code, name):
    """The file that is its door, and the source file that belongs to it."""
    if MOODYCAMEL.search(code):
        return True
    header = source.root() / name.replace(".cpp", ".hpp")
    return name.endswith(".cpp") and header.exists() and \
        MOODYCAMEL.search(source.split(header.read_text())[0]) is not None


findings = []
for path, name in source.files("include", "src"):
    text = path.read_text()
    code, _ = source.split(text)
    findings += [f"{name}:{source.line_of(code, offset)}: {what}"
                 for offset, what in check_moodycamel(code, uses_moodycamel(code, name))]
    if name.startswith(PLATFORM):
        continue
    findings += [f"{name}:{source.line_of(code, m.start())}: {m[0]} outside of platform"
                 for m in RAW.finditer(code)]
    findings += [f"{name}:{source.line_of(text, m.start(1))}: <{m[1][:-1]}> outside of platform"
                 for m in RAW_HEADER.finditer(text)]
source.report(findings)
