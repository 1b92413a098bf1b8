"""Configs of which it is known what Xen's own parser makes of them: is ours of the same opinion?

`python tests/xlcfg_corpus.py FILE.jsonl` compares all cases of a file, one `{name, text, expected}` a line, and
prints the first differences and, last, `N/M identical`.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from coprocsim.errors import CfgError
from coprocsim.model import CfgValue
from coprocsim.xlcfg import loads

SHOWN_DIFFERENCES = 20


class Reading(NamedTuple):
    """What a parser makes of a text: whether it accepts it, and the values."""

    accepted: bool
    values: dict[str, CfgValue]


class Case(NamedTuple):
    name: str
    text: bytes
    expected: dict[str, Any]

    @property
    def reading(self) -> Reading:
        return Reading(self.expected["ok"], self.expected["values"])


def cases(path: Path) -> Iterator[Case]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            yield Case(case["name"], case["text"].encode("utf-8", "surrogateescape"), case["expected"])


def ours(text: bytes) -> Reading:
    try:
        return Reading(True, loads(text))
    except CfgError:
        return Reading(False, {})


def main(path: Path) -> int:
    total, differences = 0, []
    for case in cases(path):
        total += 1
        if ours(case.text) != case.reading:
            differences.append(case)
    for case in differences[:SHOWN_DIFFERENCES]:
        print(f"{case.name}\n  Xen's parser: {case.reading!a}\n  ours:         {ours(case.text)!a}")
    print(f"{total - len(differences)}/{total} identical")
    return 1 if differences or not total else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/xlcfg_corpus.py FILE.jsonl")
    sys.exit(main(Path(sys.argv[1])))
