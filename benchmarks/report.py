# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Put the tables of all records into documents: `python benchmarks/report.py`. No value is typed manually.

A benchmark writes its record with `--output benchmarks/records/NAME.json`; a table of it goes between the document's
marks `<!-- benchmark: NAME TABLE -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from timing import ROOT

from monai_acdr.files import write_text_atomically

RECORDS = ROOT / "benchmarks" / "records"
DOCUMENTS = (
    ROOT / "README.md",
    *(
        ROOT / "docs" / name
        for name in ("results.md", "explanation/localizer.md", "how-to/many_gpus.md", "how-to/million_studies.md")
    ),
    ROOT / "bundles" / "sunnybrook_lv_acdr" / "docs" / "README.md",
)

_HEADINGS = {"figure": "value"}
_THRESHOLD = re.compile(r" (?:>=|<=|<|>) [\d.]+$")
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
        header, *rows = published(record["tables"][match[3]])
        lines = [header, ["---"] * len(header), *rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"{match[1]}\n{text}\n\n{match[4]}"

    return _MARK.sub(table, document)


def published(table: dict[str, Any]) -> list[list[str]]:
    """Heading and rows of a table for readers: measurements, without the authors' thresholds.

    A first column "target" names ratios and thresholds: the ratios are kept, rows that could not be measured removed.
    """
    header, rows = list(table["header"]), [list(row) for row in table["rows"]]
    if header[0] == "target":
        header = ["ratio", *header[1:-1]]
        rows = [[_THRESHOLD.sub("", row[0]), *row[1:-1]] for row in rows if row[header.index("measured")]]
    kept = [index for index, name in enumerate(header) if name != "target"]
    header = [_HEADINGS.get(name, name) for name in header]
    return [[row[index] for index in kept] for row in (header, *rows)]


if __name__ == "__main__":
    sys.exit(main())
