# SPDX-License-Identifier: MIT
"""Prints the ten longest functions and files. Sizes are guidance: this never fails."""
import re

import source

HEAD = re.compile(r"^( *)(?![ #}\n]|(?:if|for|while|switch|else|do|try|catch|return|namespace|class"
                  r"|struct|enum|union|case|extern|public|private|protected)\b)[^;=]*?(\b(?!requires\b)[\w~:]+|operator\S+)\([^;]*\{$",
                  re.MULTILINE)


def functions(name, code):
    for match in HEAD.finditer(code):
        end = re.compile(rf"^{match[1]}\}}", re.MULTILINE).search(code, match.end())
        if end:
            lines = code.count("\n", match.start(), end.start()) + 1
            yield lines, f"{name}:{source.line_of(code, match.start())} {match[2]}"


files, longest = [], []
for path, name in source.files("include", "src", "tests", "bench", "tools", "examples"):
    text = path.read_text()
    files.append((text.count("\n"), name))
    longest += functions(name, source.split(text)[0])
for title, sizes in (("functions", longest), ("files", files)):
    print(f"Longest {title}, in lines:")
    for lines, name in sorted(sizes, reverse=True)[:10]:
        print(f"{lines:6}  {name}")
