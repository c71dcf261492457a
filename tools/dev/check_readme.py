# SPDX-License-Identifier: MIT
"""The example in the README is the program that is built and run as a test."""
import re

import source

EXAMPLE = "examples/hello.cpp"
readme, program = source.root() / "README.md", source.root() / EXAMPLE
findings = []
if readme.exists():
    shown = re.search(r"^```cpp\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    # Without the licence and what else is said above the first line of code.
    built = re.sub(r"\A(//[^\n]*\n)+", "", program.read_text()) if program.exists() else None
    if shown is None:
        findings.append("README.md: no example")
    elif shown[1] != built:
        findings.append(f"README.md: its example is not that of {EXAMPLE}")
source.report(findings)
