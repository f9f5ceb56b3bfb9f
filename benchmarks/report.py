# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Put the tables of all records into docs/results.md: `python benchmarks/report.py`. Nothing in them is typed.

A record is what a benchmark wrote with `--output benchmarks/records/NAME.json`; the document has the marks
`<!-- benchmark: NAME TABLE -->` and `<!-- end -->` where a table of it goes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from timing import ROOT

from monai_acdr.files import write_text_atomically

RECORDS = ROOT / "benchmarks" / "records"
DOCUMENTS = (ROOT / "docs" / "results.md",)

_MARK = re.compile(r"(<!-- benchmark: (\w+) ([\w, ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables into the documents."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=Path, default=RECORDS)
    options.add_argument("--documents", type=Path, nargs="*", default=DOCUMENTS)
    chosen = options.parse_args(arguments)
    for document in chosen.documents:
        write_text_atomically(document, fill(document.read_text(encoding="utf-8"), chosen.records))
    return 0


def fill(document: str, records: Path) -> str:
    """Put the tables between their marks.

    Raises:
        FileNotFoundError: when there is no record of that name.
        KeyError: when a record has no such table.
    """

    def table(match: re.Match[str]) -> str:
        record = json.loads((records / f"{match[2]}.json").read_text(encoding="utf-8"))
        found = record["tables"][match[3]]
        lines = [found["header"], ["---"] * len(found["header"]), *found["rows"]]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"{match[1]}\n{text}\n\n{match[4]}"

    return _MARK.sub(table, document)


if __name__ == "__main__":
    sys.exit(main())
