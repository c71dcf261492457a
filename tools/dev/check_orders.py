# SPDX-License-Identifier: MIT
"""Every atomic operation names its memory order, and a comment says why: on the line, or within
four lines above naming the order (`// release: publishes x; ...`) or a label (`// W2: ...`).
A compare-exchange that fails relaxed needs no word for that."""
import re

import source

ORDER = re.compile(r"memory_order(?:_|::)(relaxed|consume|acquire|release|acq_rel|seq_cst)")
LABEL = re.compile(r"\b[A-Z]\d\b")
CALL = re.compile(
    r"(?:\.|->)(load|store|exchange|compare_exchange_\w+|fetch_(?:add|sub|and|or|xor)|test_and_set)"
    r"\s*\(")
FAILS_RELAXED = re.compile(r"compare_exchange_\w+[^;]*memory_order\w+[^;]*$")
ATOMIC = re.compile(r"\batomic(?:_ref)?<[^;{}()]*>\s+(\w+)\s*(?:[;{=,]|\[)")


def arguments(code, start):
    depth, end = 1, start
    while depth and end < len(code):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        end += 1
    return code[start:end]


def check(name, code, comments):
    said = comments.split("\n")
    for match in ORDER.finditer(code):
        line = source.line_of(code, match.start())
        if match[1] == "relaxed" and FAILS_RELAXED.search(code[max(0, match.start() - 300):match.start()]):
            continue
        named = "acq_rel|acquire|release" if match[1] == "acq_rel" else match[1]
        above = " ".join(said[max(0, line - 5):line])
        if not (said[line - 1].strip() or LABEL.search(above)
                or re.search(rf"\b(?:{named})\b", above)):
            yield f"{name}:{line}: {match[1]}, but no comment says why"
    for match in CALL.finditer(code):
        if "order" not in arguments(code, match.end()):
            yield f"{name}:{source.line_of(code, match.start())}: {match[1]} without a memory order"
    for atomic in set(ATOMIC.findall(code)):
        # Not when another class of the file has a plain member of that name.
        if any(not re.search("atomic|return", line) for line in
               re.findall(rf"^.*[\w>&*]\s+{atomic}(?:;|\{{| =).*$", code, re.MULTILINE)):
            continue
        hidden = rf"(?:\+\+|--)\s*{atomic}\b(?!\s*[.\[])|\b{atomic}\s*(?:\+\+|--|[-+|&^]?=(?!=))"
        for match in re.finditer(hidden, code):
            line = source.line_of(code, match.start())
            if not ATOMIC.search(code.split("\n")[line - 1]):
                yield f"{name}:{line}: an operator on the atomic {atomic} hides a seq_cst"


source.report([finding for path, name in source.files("include", "src")
               for finding in check(name, *source.split(path.read_text()))])
