# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Bundles are found beside the package in a checkout and inside it in a wheel (see also test_packaging.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from monai_acdr import bundle
from monai_acdr.apps.model import load_model
from monai_acdr.files import file_sha256
from monai_acdr.handlers import has_own_weights

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two empty places for bundles, as in a wheel and in a checkout."""
    places = (tmp_path / "wheel" / "bundles", tmp_path / "checkout" / "bundles")
    monkeypatch.setattr(bundle, "_FOLDERS", places)
    return places


def add_bundle(folder: Path) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "metadata.json").write_text("{}")
    return folder


def test_checkout_bundles_are_found() -> None:
    expected = sorted(path.parents[1].name for path in (ROOT / "bundles").glob("*/configs/metadata.json"))
    assert bundle.bundle_names() == expected
    assert all((bundle.bundle_root(name) / "configs" / "metadata.json").is_file() for name in expected)


def test_either_place_is_searched(folders: tuple[Path, Path]) -> None:
    heart, mass = add_bundle(folders[0] / "heart"), add_bundle(folders[1] / "mass")
    assert bundle.bundle_names() == ["heart", "mass"]
    assert bundle.bundle_root("heart") == heart
    assert bundle.bundle_root("mass") == mass


def test_a_bundle_that_was_written_elsewhere(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, moved = add_bundle(tmp_path / "out" / "bundle"), add_bundle(tmp_path / "moved" / "bundle")
    assert bundle.find_bundle_root("bundle", str(written)) == str(written)
    monkeypatch.chdir(moved)
    assert bundle.find_bundle_root("bundle", str(written)) == str(moved)


def test_folder_without_metadata_is_no_bundle(folders: tuple[Path, Path]) -> None:
    (folders[1] / "scratch" / "configs").mkdir(parents=True)
    assert bundle.bundle_names() == []


def test_unknown_name_lists_the_known_ones(folders: tuple[Path, Path]) -> None:
    add_bundle(folders[0] / "heart")
    with pytest.raises(ValueError, match=r"one of \['heart'\], but got 'lung'"):
        bundle.bundle_root("lung")


def test_own_weights_are_known_by_their_content(tmp_path: Path) -> None:
    """In Python and in the config, whose results are moved to the borders of those weights alone."""
    root, (copy, other) = bundle.bundle_root("sunnybrook_lv_acdr"), (tmp_path / name for name in ("a.pt", "b.pt"))
    copy.write_bytes((root / "models" / "model.pt").read_bytes())
    other.write_bytes(copy.read_bytes()[:-1] + b"x")
    for path, own in ((root / "models" / "model.pt", True), (copy, True), (other, False), (tmp_path / "no.pt", False)):
        assert has_own_weights(path, root) == own
        parser = ConfigParser()
        parser.read_config(str(root / "configs" / "inference.json"))
        parser["bundle_root"], parser["checkpoint"] = str(root), str(path)
        steps = parser["postprocessing"]["transforms"]
        (place,) = (i for i, step in enumerate(steps) if str(step["_target_"]).endswith("OffsetContourd"))
        border = parser.get_parsed_content(f"postprocessing#transforms#{place}#offset_mm")
        assert border == ([-0.4, 0.4] if own else None)
    assert not has_own_weights(copy, tmp_path)


def test_each_file_of_weights_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, copy, hashed = bundle.bundle_root("sunnybrook_lv_acdr"), tmp_path / "a.pt", []
    copy.write_bytes((root / "models" / "model.pt").read_bytes())

    def sha256(path: Path) -> str:
        hashed.append(Path(path).name)
        return file_sha256(path)

    for module in ("monai_acdr.apps.model", "monai_acdr.handlers.checkpoints"):
        monkeypatch.setattr(f"{module}.file_sha256", sha256)
    assert load_model("sunnybrook_lv_acdr", copy, "cpu").border_mm == (-0.4, 0.4)
    assert sorted(hashed) == ["a.pt", "localizer.pt", "model.pt"]
    copy.write_bytes(copy.read_bytes() + b"x")  # of another size
    hashed.clear()
    assert not has_own_weights(copy, root) and hashed == []


def test_name_is_never_a_path(folders: tuple[Path, Path]) -> None:
    add_bundle(folders[0] / "heart")
    with pytest.raises(ValueError, match="to be a bundle of this installation"):
        bundle.bundle_root("../bundles/heart")


def test_configs_find_their_bundle_from_its_folder_and_elsewhere(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, copied = add_bundle(folders[1] / "heart"), add_bundle(tmp_path / "copy" / "heart")
    monkeypatch.chdir(tmp_path)
    assert bundle.find_bundle_root("heart") == str(installed)
    monkeypatch.chdir(copied)
    assert bundle.find_bundle_root("heart") == str(copied)
    monkeypatch.chdir(add_bundle(tmp_path / "copy" / "other"))
    assert bundle.find_bundle_root("heart") == str(installed)


HEART = ROOT / "bundles" / "sunnybrook_lv_acdr"


def config(*names: str, **changes: object) -> ConfigParser:
    parser = bundle.read_configs([HEART / "configs" / f"{name}.json" for name in names or ("train",)])
    for key, value in changes.items():
        parser.set(value, key)
    return parser


@pytest.mark.parametrize("names", [["train"], ["train", "evaluate"], ["inference"], ["localizer"], ["ensemble"]])
def test_shipped_configs_are_fine(names: list[str]) -> None:
    bundle.check_config(HEART, config(*names))
    for preset in ("paper", "reference_code") if "localizer" not in names else ():
        bundle.check_config(HEART, config(*names, preset))


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("learning_rat", "learning_rate"),
        ("weight_decay", "optimizer#weight_decay"),
        ("num_vertices", "network_def#initial_contour#num_vertices"),
        ("optimizer#lrr", "optimizer#lr"),
        ("network_def#displacement_net#chanels", "network_def#displacement_net#channels"),
        ("view#stretsh", "view#stretch"),
        ("train#frame_sise", "train#frame_size"),
        ("train#dataset#dat", "train#dataset#data"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest(key: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"`{key}`.*did you mean `{near}`"):
        bundle.check_config(HEART, config(**{key: 0.1}))


def test_an_unknown_key_like_no_other() -> None:
    with pytest.raises(ValueError, match="has no `qqq`: python -m monai_acdr.bundle keys NAME lists them"):
        bundle.check_config(HEART, config(qqq=1))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("max_epochs", "ten", "`max_epochs` to be a number, but got 'ten'"),
        ("network_def#clamp", "false", "`network_def#clamp` to be True or False, but got 'false'"),
        ("resume", "yes", "`resume` to be True or False, but got 'yes'"),
    ],
)
def test_texts_for_numbers_and_switches(key: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bundle.check_config(HEART, config(**{key: value}))


def test_all_problems_at_once() -> None:
    with pytest.raises(ValueError, match=r"(?s)`learning_rat`.*`seed`"):
        bundle.check_config(HEART, config(learning_rat=1, seed="x"))


def test_keys_of_the_user_s_own_that_something_refers_to() -> None:
    field = {"_target_": "torch.nn.Identity"}
    own = {"field": field, "network_def#displacement_net": "@field", "train#more": 1, "holdout_share": 0.2}
    with pytest.raises(ValueError, match="^Expected keys of this bundle, but it has no `holdout_share`"):
        bundle.check_config(HEART, config(**own, **{"seed": "$@train#more"}))
    bundle.check_config(HEART, config(resume="true", seed="$1 + 1", evaluate_all=["$@validate#evaluator.run()"]))


def test_expressions_find_their_own_config(tmp_path: Path) -> None:
    """As MONAI's runner does: the check is an expression of the config, which may have been read by another parser."""
    parser = config(learning_rat=1)
    with pytest.raises(RuntimeError, match="Failed to evaluate") as caught:
        parser.get_parsed_content("initialize")
    assert "did you mean `learning_rate`" in bundle.reason(caught.value)
    with pytest.raises(RuntimeError, match="pass the `parser`"):
        bundle.check_config(HEART)
    bundle.check_config(tmp_path, parser)  # no bundle, no keys to hold it to


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{\n  "seed": 1,\n  "x" 2\n}', r"JSON in .*a\.json, but line 3, column 7 is not"),
        ("a.json", "[1]", r"an object with keys in .*a\.json, but got list"),
        ("a.yaml", "seed: [1", r"(?s)a config in .*a\.yaml, .*line 1"),
    ],
)
def test_a_config_that_cannot_be_read_names_file_and_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        bundle.read_configs([HEART / "configs" / "train.json", tmp_path / name])
    with pytest.raises(ValueError, match=message):
        bundle.run([str(HEART / "configs" / "train.json"), str(tmp_path / name)])


def test_no_config() -> None:
    with pytest.raises(ValueError, match="add --config_file"):
        bundle.run()
    with pytest.raises(FileNotFoundError, match=r"absent\.json is not a file"):
        bundle.run("absent.json")


def test_run_is_monai_s(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text('{"value": 1, "run": ["$open(@path, \'w\').write(str(@value))"], "path": ""}')
    (tmp_path / "args.json").write_text('{"value": 2}')
    written = tmp_path / "written.txt"
    options = {"path": str(written), "logging_file": False}
    bundle.run(str(tmp_path / "own.json"), str(tmp_path / "args.json"), **options)
    assert written.read_text() == "2"


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert bundle._main(["keys", "sunnybrook_lv_acdr"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"--optimizer#weight_decay +weight decay of AdamW \[0\.0001\]", listed)
    assert bundle._main(["run", "--config_file", str(HEART / "configs" / "train.json"), "--help"]) == 0
    assert capsys.readouterr().out == listed
    assert bundle._main(["keys", "nope"]) == 1
    assert capsys.readouterr().err.startswith("Error: Expected `name` to be a bundle of this installation, one of [")
    (tmp_path / "broken.json").write_text("{")
    assert bundle._main(["run", "--config_file", str(tmp_path / "broken.json")]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("The run stopped: Expected JSON in ") and "line 1, column 2" in last


def test_the_reason_is_below_what_the_runner_wraps_it_in() -> None:
    try:
        try:
            raise ValueError("line 3: remove that point")
        except ValueError as error:
            raise RuntimeError("Failed to evaluate ConfigExpression") from error
    except RuntimeError as error:
        assert bundle.reason(error) == "line 3: remove that point"
    assert bundle.reason(RuntimeError("alone")) == "alone"
