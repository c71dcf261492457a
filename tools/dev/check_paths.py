# SPDX-License-Identifier: MIT
"""No file names a place that exists on one machine only, such as somebody's home."""
import re

import source

PLACE = re.compile(r"(?<![\w.~:-])/(?:home|Users|root|work|workspace|mnt|media)(?:/[\w.-]+)+")
NOT_OURS = re.compile(r"(build[^/]*|out|\.git|\.cache)/|.*__pycache__|subprojects/(?!packagefiles)[^/]*/")

findings = []
for path in sorted(source.root().rglob("*")):
    name = path.relative_to(source.root()).as_posix()
    if NOT_OURS.match(name) or not path.is_file() or path.is_symlink():
        continue
    text = path.read_text(errors="replace")
    findings += [f"{name}:{source.line_of(text, m.start())}: {m[0]}" for m in PLACE.finditer(text)]
source.report(findings)
