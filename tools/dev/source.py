# SPDX-License-Identifier: MIT
"""What the style checks share: finding files, telling code from comments, reporting."""
import pathlib
import re
import sys

LAYERS = ["platform", "lockfree", "sync", "runtime", "patterns"]

_TOKEN = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | R"\((?:.*?)\)" | "(?:\\.|[^"\\\n])*" | (?<!\w)'(?:\\.|[^'\\\n])*'""",
    re.VERBOSE | re.DOTALL)


def root():
    """The tree to check: the first argument, or the one this script is in."""
    return pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])


def files(*folders, suffixes=(".hpp", ".cpp")):
    """(path, name relative to the root) of every file with such a suffix in these folders."""
    for folder in folders:
        for path in sorted((root() / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path, path.relative_to(root()).as_posix()


def split(text):
    """Code and comments as two texts of the same shape; what belongs to the other is blank, and
    so are the contents of strings."""
    def blank(token):
        return re.sub(r"[^\n]", " ", token)
    code, comments, at = [], [], 0
    for match in _TOKEN.finditer(text):
        between, token = text[at:match.start()], match.group()
        is_comment = token.startswith(("//", "/*"))
        code += [between, blank(token) if is_comment else token[0] + blank(token[1:-1]) + token[-1]]
        comments += [blank(between), token if is_comment else blank(token)]
        at = match.end()
    return "".join(code) + text[at:], "".join(comments) + blank(text[at:])


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def report(findings):
    """Prints each finding and ends the program: 1 when there is any."""
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
