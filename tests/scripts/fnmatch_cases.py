#!/usr/bin/env python3
"""Asks Python's fnmatch.fnmatchcase, which b2sdk and the b2 tool match names with, what matches what.

Writes fixtures/patterns/fnmatch.json: a list of [pattern, name, matches]. The seed is fixed, so that
the same Python writes the same file.
"""

import fnmatch
import json
import pathlib
import random

PIECES = ["*", "**", "?", "[", "]", "[!", "[^", "-", "!", "a", "b", "c", "/", ".", "\\", "é", "\n",
          "[a-c]", "[!a-c]", "[c-a]", "[!c-a]", "[]a]", "[!]a]", "[a-]", "[-a]", "[a-c-e]", "[--b]", "[]", "[!]"]
LETTERS = ["a", "b", "c", "d", "/", ".", "-", "!", "^", "]", "[", "\\", "é", "\n", "e"]


def main():
    random.seed(20260101)
    cases = {}
    while len(cases) < 3000:
        pattern = "".join(random.choices(PIECES, k=random.randrange(6)))
        if random.random() < 0.5:
            # A name near the pattern: most pairs at random do not match.
            name = pattern.replace("**", "ab").replace("*", random.choice(["", "a/b", "c"])).replace("?", random.choice(LETTERS))
            name = name.replace("[", random.choice(["", "a"])).replace("]", "")[: random.randrange(1, 9)]
        else:
            name = "".join(random.choices(LETTERS, k=random.randrange(5)))
        matches = fnmatch.fnmatchcase(name, pattern)
        if matches or random.random() < 0.2:
            cases[(pattern, name)] = matches
    lines = [json.dumps([p, n, m], ensure_ascii=False) for (p, n), m in sorted(cases.items())]
    path = pathlib.Path(__file__).parents[2] / "fixtures" / "patterns" / "fnmatch.json"
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
