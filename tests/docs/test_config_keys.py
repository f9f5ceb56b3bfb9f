# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The tables of config keys in the reference; `python tests/docs/test_config_keys.py` makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.bundle import CONFIG_KEYS, bundle_keys

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "config_keys.md"
HEADINGS = {"sunnybrook_lv_acdr": "Hearts", "inbreast_mass_acdr": "Masses", "contour_acdr": "Objects of your own"}


def table(bundle: str) -> str:
    """Markdown: key, default in train.json and in inference.json, meaning."""
    configs = {
        name: {key.name: key for key in bundle_keys(ROOT / "bundles" / bundle, name)} for name in ("train", "inference")
    }
    lines = ["| key | train | infer | meaning |", "|---|---|---|---|"]
    for name in dict.fromkeys(key for keys in configs.values() for key in keys):
        cells = [_cell(keys[name].default) if name in keys else "-" for keys in configs.values()]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {CONFIG_KEYS[name]} |")
    return "\n".join(lines) + "\n"


def _cell(default: str) -> str:
    value: Any = None if default == "..." else json.loads(default)
    if default == "..." or (isinstance(value, str) and value.startswith("$") and len(value) > 40):
        return "..."
    return f"`{value}`" if isinstance(value, str) else default


def page(text: str) -> str:
    """The page with its tables made anew."""
    for bundle, heading in HEADINGS.items():
        before, _, rest = text.partition(f"## {heading}\n\n")
        _, _, after = rest.partition("\n\n")
        text = f"{before}## {heading}\n\n{table(bundle)}\n{after}"
    return text


def test_the_tables_are_those_of_the_configs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run python tests/docs/test_config_keys.py"


@pytest.mark.parametrize("path", sorted(ROOT.glob("bundles/*/configs/*.json")), ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_every_key_has_a_meaning(path: Path) -> None:
    if path.name != "metadata.json":
        assert [key.name for key in bundle_keys(path.parents[1], path.stem) if not key.meaning] == []


def test_a_train_json_has_about_thirty_keys() -> None:
    for path in ROOT.glob("bundles/*/configs/train.json"):
        assert len(json.loads(path.read_text(encoding="utf-8"))) <= 33


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
