# SPDX-License-Identifier: MIT
"""Names in backticks, in the documents and in comments, exist in the tree, and so does the function
that a comment says an order pairs with. Words that are no names of ours are in names_allowed.txt."""
import pathlib
import re

import source

SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PAIR = re.compile(r"pairs with the [\w ]+? in\s+(?://\s*)?([\w:]*\w)")
WORD = re.compile(r"[A-Za-z_]\w+")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def without_comments(text):
    _, comments = source.split(text)
    return "".join(" " if c.strip() else t for t, c in zip(text, comments))


def known_words():
    allowed = pathlib.Path(__file__).with_name("names_allowed.txt").read_text()
    words = set(WORD.findall(re.sub("#.*", "", allowed)))
    for path, name in source.files("include", "src", "tests", "bench", "tools", "examples"):
        words.update(WORD.findall(without_comments(path.read_text())), WORD.findall(name))
    plain = [*source.root().rglob("meson.build"), source.root() / "meson_options.txt",
             *(source.root() / "tools").rglob("*"), *source.root().glob(".c*"),
             *(source.root() / ".ci").glob("*")]
    for path in plain:
        if path.is_file() and path.suffix not in (".hpp", ".cpp", ".pyc"):
            name = path.relative_to(source.root()).as_posix()
            words.update(WORD.findall(path.read_text()), WORD.findall(name))
    return words


def check(name, text, words):
    for match in [*SPAN.finditer(text), *PAIR.finditer(text)]:
        if (source.root() / match[1]).exists():
            continue
        for word in WORD.findall(match[1]):
            if word not in words:
                yield f"{name}:{source.line_of(text, match.start())}: no {word} in the source"


words, findings = known_words(), []
for path, name in source.files("docs", suffixes=(".md",)):
    findings += check(name, FENCE.sub(lambda m: "\n" * m[0].count("\n"), path.read_text()), words)
for path in [source.root() / "README.md", source.root() / "CONTRIBUTING.md"]:
    if path.exists():
        text = FENCE.sub(lambda m: "\n" * m[0].count("\n"), path.read_text())
        findings += check(path.name, text, words)
for path, name in source.files("include", "src"):
    findings += check(name, source.split(path.read_text())[1], words)
source.report(findings)
