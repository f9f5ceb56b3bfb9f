# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Bundles of this installation: folders, documented config keys, and the check of a run's keys.

``python -m monai_acdr.bundle run`` takes the arguments of ``python -m monai.bundle run``. Its errors are better: JSON
that cannot be read is named by file and line, and a failed run ends with the reason instead of MONAI's wrapping of it.
"""

from __future__ import annotations

import difflib
import inspect
import json
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from pydoc import locate
from typing import Any, NamedTuple, get_args, get_type_hints

from monai.bundle import ConfigComponent, ConfigParser, ConfigWorkflow, update_kwargs
from monai.bundle.reference_resolver import ReferenceResolver
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS
from monai.utils import optional_import

__all__ = [
    "CONFIG_KEYS",
    "ConfigKey",
    "bundle_keys",
    "bundle_names",
    "bundle_root",
    "check_config",
    "find_bundle_root",
    "key_lines",
    "keys",
    "read_configs",
    "reason",
    "require_extra",
    "run",
]

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = (_PACKAGE / "bundles", _PACKAGE.parent / "bundles")


_REQUIRED_PACKAGES = ("tensorboard", "tqdm")
"""Packages of the extra ``bundle`` that the configs use; its ``fire`` is only for ``python -m monai.bundle``."""


def require_extra(feature: str) -> None:
    """Raise an ImportError, before the work, if packages that the configs use are not installed.

    Args:
        feature: what needs them, for the message.
    """
    missing = [name for name in _REQUIRED_PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{feature} needs {' and '.join(missing)}, not installed here: pip install 'monai_acdr[bundle]'"
        )


def bundle_names() -> list[str]:
    """List the bundles that come with this installation.

    Returns:
        Sorted names; a bundle is a folder with a ``configs/metadata.json``.
    """
    return sorted({path.parents[1].name for folder in _FOLDERS for path in folder.glob("*/configs/metadata.json")})


def bundle_root(name: str) -> Path:
    """Find the folder of a bundle, the value for ``--bundle_root`` of ``python -m monai.bundle run``.

    Args:
        name: name of the bundle, for example ``"sunnybrook_lv_acdr"``.

    Returns:
        Absolute path of the folder that holds ``configs``, ``docs`` and, where there are weights, ``models``.

    Raises:
        ValueError: if no bundle of that name comes with this installation.
    """
    names = bundle_names()
    if name not in names:
        raise ValueError(f"Expected `name` to be a bundle of this installation, one of {names}, but got {name!r}.")
    return next(folder / name for folder in _FOLDERS if (folder / name / "configs" / "metadata.json").is_file())


def find_bundle_root(name: str, folder: str | None = None) -> str:
    """The default of ``bundle_root`` in a bundle's configs, correct in any working directory.

    Args:
        name: name of the bundle's folder.
        folder: folder of a bundle that does not come with this installation.

    Returns:
        Absolute path of the current folder if it is a bundle of this name (a copy, for example), otherwise ``folder``,
        or the folder of the bundle that comes with this installation.
    """
    current = Path.cwd()
    if current.name == name and (current / "configs" / "metadata.json").is_file():
        return str(current)
    if folder is not None:
        return folder
    return str(bundle_root(name))


CONFIG_KEYS = {
    "bundle_root": "folder for default paths: the current folder if it is the bundle, otherwise the installed bundle",
    "dataset_dir": "folder of the data set; for inference also a folder or file of images",
    "output_dir": "folder for results",
    "checkpoint": "file of the network's weights: written by training, which needs a new one, and read by the others",
    "device": "device of the network, \"$torch.device('cpu')\"; CUDA where available",
    "seed": "seed of all random numbers",
    "resume": "True: continue from last.pt in output_dir",
    "amp": "True: train in half precision, on CUDA only; validation, evaluation and weights stay float32",
    "progress": "show a progress bar",
    "train_group": "group of the data set to train on",
    "group": "group of the data set to validate, evaluate or infer on",
    "exclude": "patients to leave out; null: patients whose contours the data set's layout is known to displace",
    "pattern": 'only files whose path matches, "*/CINESAX_*/*.dcm"',
    "source": "kind of data set that the data list reads",
    "source_options": "options of the data list, such as a split file",
    "data_options": "further arguments of pair_folder_data_list, such as a table, a split or the smallest object",
    "holdout": "share of the training group's patients that validates instead",
    "boxes": "CSV file with the columns file,x0,y0,x1,y1: one box per image, in pixels",
    "structures": "structures to outline, innermost first",
    "nested": "each structure contains the one before it",
    "thinnest_wall": (
        "share of the median wall thickness; the slice next to the base is left out if its wall less 1.5 times the "
        "spread of its endocardium is below it"
    ),
    "widest_cavity": (
        "multiple of the cavity's width in other slices above which a cavity is implausible and replaced; null keeps "
        "all"
    ),
    "border_mm": "mm by which contours of the bundle's own weights are moved outward in results, for each structure",
    "doubtful_below": "confidence, 0 to 1, below which an outlined frame is doubtful",
    "roi": "kind of region of interest: center, label or box",
    "roi_box": "(x0, y0, x1, y1) in pixels, one region of interest for every image",
    "roi_size": "rows and columns of the crop that the network sees",
    "max_epochs": "epochs of the training",
    "steps_per_epoch": "batches per epoch",
    "batch_size": "images per training step, of all processes together",
    "val_interval": "epochs between validations; the last epoch is always validated",
    "learning_rate": "largest learning rate of the schedule",
    "max_gradient_norm": "gradients are scaled down to this norm, all weights together; null keeps them",
    "rasterizer": "renders the masks of the loss: exact, soft, mesh (the paper's) or pytorch3d",
    "overlay": "write a picture of each result",
    "cine_dir": "folder of whole cine studies with further frames for the localizer",
    "without_heart_weight": "sampling weight of frames without a heart, relative to frames with one",
    "channels": "channels of the images: 1 for gray values, 3 for colors",
    "width": "channels of the localizer's first level",
    "trt_args": "arguments of monai.networks.trt_compile, for the displacement network",
    "members": "checkpoints whose networks become one ensemble",
    "region": "transform that writes the region of interest",
    "region#center_side": "side in pixels of the square for roi center",
    "region#label_side": "side in pixels of the square for roi label",
    "region#side": "side in pixels of a square about the object's centroid; null takes the scaled box of the object",
    "region#pixel_mm": "pixel size in mm of the side's unit, for images that state their spacing",
    "region#scale": "factor on both sides of the box about the reference or of roi_box",
    "region#square": "make the region square",
    "window": "transform that keeps the part of the image about the region",
    "window#scale": "size of that part as a multiple of the region: jitter needs room",
    "view": "random views of a training batch (RandView); lengths as fractions of the region's side",
    "view#scale": "range of the factor on the region's side",
    "view#shift": "largest shift along x and y",
    "view#shift_prob": "probability of a shift up to view#shift; otherwise up to 0.03",
    "view#angle": "largest rotation in degrees",
    "view#flip_prob": "probability of a mirror image",
    "view#stretch": "largest logarithm of the factor along x; y gets the inverse",
    "view#warp_prob": "probability of resizing cavity and wall within unchanged surroundings",
    "view#cavity": "range of the factor on the cavity's size",
    "view#appearance": "random contrast, gamma, bias field, resolution and noise; null keeps intensities",
    "network_def": "the network: an active contour and the network of its displacement field",
    "network_def#displacement_net": "network of the displacement field",
    "network_def#displacement_net#channels": "width of each level",
    "network_def#displacement_net#num_convs": "convolutions in each block",
    "network_def#displacement_net#dropout": "dropout probability; off at inference",
    "network_def#displacement_net#activation": "activation of the field: tanh, sigmoid, none",
    "network_def#displacement_net#blocks": "normalized (batch norm and leaky ReLU after each convolution) or paper",
    "network_def#initial_contour": "contour that the evolution starts from",
    "network_def#initial_contour#num_vertices": "vertices K of each contour",
    "network_def#initial_contour#diameter": "diameter of the initial circle as a fraction of the crop, per structure",
    "network_def#num_iterations": "steps T of the evolution",
    "network_def#clamp": "keep vertices inside the crop, eq. 3",
    "network_def#num_members": "networks in the checkpoint: more than one for an ensemble",
    "network": "network_def on the device",
    "localizer": "finds the object without a click, for roi auto of monai-acdr",
    "localizer#presence_threshold": "probability of the object from which a frame is used",
    "localizer#presence_margin": "distance from the threshold within which the first or last slice becomes a finding",
    "localizer#presence_temperature": "divides the logit of the probability, so that it is as often right as it says",
    "localizer#field_mm": "longest side of a frame in mm that is seen as a whole; of longer ones the middle",
    "localizer#orientations": "in how many orientations a frame is seen: 1, 4 (turned) or 8 (also mirrored)",
    "loss": "the loss",
    "loss#segmentation": "mse (eq. 5) or dice",
    "loss#balloon_weight": "weight of the balloon term",
    "loss#curvature_weight": "weight of the curvature term; lengths in [-1, 1]",
    "loss#squared_curvature": "squared norm (Algorithm 1) or plain norm",
    "loss#distance_weight": "weight of the published code's distance term",
    "loss#rasterizer_settings": "options of the rasterizer: \"{'method': 'soft', 'softness': 0.5}\"",
    "optimizer": "the optimizer",
    "optimizer#weight_decay": "weight decay of AdamW",
    "lr_scheduler": "linear warm-up, then cosine to 0",
    "frame": "random frames of a training batch of the localizer",
    "ema": "average of the network's weights, which is validated and kept",
    "train": "data, transforms, handlers and engine of the training",
    "train#warmup_epochs": "epochs of the warm-up",
    "train#frame_size": "rows and columns to which frames are padded or cropped before views are drawn",
    "train#reference_keys": "keys of the data list with the references, one for each structure",
    "train#room": "factor on the region for the cached frame of each object, within which views are drawn",
    "train#jitter": "random shift, scale and rotation of the region",
    "train#jitter#shift": "largest shift as a fraction of the region's side",
    "train#jitter#scale": "range of the factor on the region's sides",
    "train#jitter#angle": "largest rotation in degrees",
    "train#dataloader#num_workers": "processes that load data",
    "train#ema#momentum": "share of the new weights in the averaged network, each step",
    "train#early_stop#patience": "validations without progress before training stops",
    "train#preprocessing#transforms": "the training pipeline",
    "train#trainer#amp_kwargs#dtype": "half precision of amp: $torch.float16, or $torch.bfloat16 for a larger range",
    "train#data_list": "list of training images with their references",
    "validate": "data, transforms, metrics and engine of the validation",
    "validate#preprocessing#transforms": "the validation pipeline",
    "validate#postprocessing#transforms": "from the network's contours to contours and masks of the image",
    "validate#data_list": "list of validation images with their references",
    "validate#key_metric": "metric that decides which weights are kept",
    "report": "writes and prints the evaluation's results",
    "quality": "findings of the data list",
    "data_list": "list of images",
    "load_transforms": "from a file to an image with its region of interest",
    "crop_transforms": "from an image to the network's input",
    "postprocessing": "from the network's contours to contours and masks of the image",
    "handlers": "handlers of each result",
}
"""Keys of the bundles' configs -> their meaning; nested keys as on the command line, ``optimizer#weight_decay``."""

_STRUCTURAL = {
    *("imports", "initialize", "run", "finalize", "training_checkpoint"),
    *("preprocessing", "dataset", "dataloader", "inferer", "evaluator"),
}
"""Top-level keys of all MONAI bundles, which need no meaning here."""


class ConfigKey(NamedTuple):
    """A key of a bundle's config.

    Attributes:
        name: as on the command line, without ``--``.
        default: the value in the config, as JSON; "..." for a larger part.
        meaning: meaning of the key; empty for the parts that every MONAI bundle has.
    """

    name: str
    default: str
    meaning: str


def bundle_keys(root: str | os.PathLike[str], config: str = "train") -> list[ConfigKey]:
    """List the keys of a config of a bundle, with defaults and meanings.

    Args:
        root: folder of the bundle.
        config: name of the config, such as ``"train"``, ``"evaluate"`` or ``"inference"``.

    Returns:
        Top-level keys in the order of the file, each followed by the nested keys that have a meaning.

    Raises:
        FileNotFoundError: when there is no such config.
        ValueError: when the config cannot be read.
    """
    content: dict[str, Any] = {}  # a config that is merged into another has keys such as `network_def#clamp`
    _merge(content, _load(Path(root) / "configs" / f"{config}.json"))
    keys = []
    for key in content:
        if key in _STRUCTURAL:
            continue
        names = [name for name in CONFIG_KEYS if name.startswith(f"{key}#") and _value(content, name) is not _ABSENT]
        keys += [ConfigKey(n, _shown(_value(content, n)), CONFIG_KEYS.get(n, "")) for n in (key, *names)]
    return keys


def read_configs(files: Sequence[str | os.PathLike[str]]) -> ConfigParser:
    """Read configs, later ones over earlier ones, as MONAI does; errors name the file and the line.

    Args:
        files: JSON or YAML files.

    Raises:
        FileNotFoundError: when a file does not exist.
        ValueError: when a file is not JSON or YAML, or has a key twice.
    """
    for file in files:
        _load(file)
    parser = ConfigParser()
    parser.read_config([str(file) for file in files])
    return parser


def _load(file: str | os.PathLike[str]) -> dict[str, Any]:
    if not Path(file).is_file():
        raise FileNotFoundError(f"Expected a config, but {file} is not a file: check the path.")
    try:
        content = ConfigParser.load_config_file(file)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"Expected JSON in {file}, but line {error.lineno}, column {error.colno} is not ({error.msg}): correct it."
        ) from error
    except Exception as error:  # invalid YAML, a repeated key, an encoding
        raise ValueError(f"Expected a config in {file}, but it cannot be read ({error}): correct it.") from error
    if not isinstance(content, dict):
        raise ValueError(f"Expected an object with keys in {file}, but got {type(content).__name__}: correct it.")
    return content


def check_config(root: str | os.PathLike[str], parser: ConfigParser | None = None) -> None:
    """Refuse keys that a bundle does not have, arguments that a component does not take, and strings for numbers.

    Meant to be the first item of a config's ``initialize``: MONAI adds an unknown key to the config, where nothing
    reads it. A user's own key is accepted if something in the config refers to it.

    Args:
        root: folder of the bundle; its configs define the known keys.
        parser: the config; None for the config whose expression calls this function.

    Raises:
        ValueError: when there are such keys or values; the message has all of them, and the nearest known key of each.
    """
    parser = _running_parser() if parser is None else parser
    shipped: dict[str, Any] = {}
    for path in sorted((Path(root) / "configs").glob("*.json")):
        if path.name != "metadata.json":
            _merge(shipped, _load(path))
    if not shipped:
        return
    config = parser.get()
    problems = [*_unknown_keys(config, shipped), *_unknown_arguments(config, shipped, parser)]
    problems += _wrong_values(config, shipped)
    if problems:
        raise ValueError("\n".join(problems))


def _running_parser() -> ConfigParser:
    """The parser that evaluates the present expression, which MONAI does not pass to expressions."""
    frame = inspect.currentframe()
    resolver: Any = None
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, ReferenceResolver):
            resolver = owner
        if isinstance(owner, ConfigParser) and (resolver is None or owner.ref_resolver is resolver):
            return owner
        frame = frame.f_back
    raise RuntimeError("Expected a call in an expression of a config, but got none: pass the `parser`.")


def _merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    """Add the keys of a config to those of another; existing values stay."""
    for key, value in source.items():
        name, *rest = ReferenceResolver.split_id(key)
        for part in reversed(rest):
            value = {part: value}
        if isinstance(target.get(name), dict) and isinstance(value, dict):
            _merge(target[name], value)
        else:
            target.setdefault(name, value)


def _unknown_keys(config: Mapping[str, Any], shipped: Mapping[str, Any]) -> Iterator[str]:
    """New keys that nothing refers to, at the top level and in the parts ``train`` and ``validate``."""
    references = set(_references(config))
    tracking: Any = DEFAULT_MLFLOW_SETTINGS["configs"]
    known = {*shipped, *tracking, *_STRUCTURAL, ConfigParser.meta_key}
    for key, value in config.items():
        if key not in known and key not in references and not _is_program(value):
            yield f"Expected keys of this bundle, but it has no `{key}`{_nearest(key, '', shipped)}."
        part = shipped.get(key)
        if isinstance(value, dict) and isinstance(part, dict) and part and "_target_" not in {**part, **value}:
            for name in value:
                if name not in part and f"{key}::{name}" not in references:
                    yield f"Expected keys of this bundle, but it has no `{key}#{name}`{_nearest(name, key, shipped)}."


def _unknown_arguments(config: Any, shipped: Any, parser: ConfigParser, place: str = "") -> Iterator[str]:
    """Arguments of components that are neither in the shipped configs nor in the component's signature."""
    if isinstance(config, list):
        for number, item in enumerate(config):
            yield from _unknown_arguments(item, None, parser, f"{place}#{number}")
    if not isinstance(config, dict):
        return
    known: Mapping[str, Any] = shipped if isinstance(shipped, dict) else {}
    if ConfigComponent.is_instantiable(config):
        given = [key for key in config if key not in known and key not in ConfigComponent.non_arg_keys]
        accepted = _parameters(config, parser) if given else None
        for name in given if accepted is not None else []:
            if name not in accepted:  # type: ignore[operator]
                near = difflib.get_close_matches(name, accepted, 1)  # type: ignore[arg-type]
                yield (
                    f"Expected arguments of {config['_target_']}, but `{place}#{name}` is not one"
                    + (f": did you mean `{place}#{near[0]}`?" if near else ".")
                )
    for key, value in config.items():
        yield from _unknown_arguments(value, known.get(key), parser, f"{place}#{key}" if place else str(key))


def _parameters(component: Mapping[str, Any], parser: ConfigParser) -> list[str] | None:
    """Names of the arguments of a component; None when it takes any, or cannot be imported."""
    try:
        target = ConfigComponent(config=dict(component), locator=parser.locator).resolve_module_name()
        target = locate(target) if isinstance(target, str) else target
        parameters = inspect.signature(target).parameters  # type: ignore[arg-type]
    except Exception:  # any error of the user's code: MONAI reports it when it makes the component
        return None
    names = [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
    return names if len(names) == len(parameters) else _with_shortcuts(names, target)


def _with_shortcuts(names: list[str], target: Any) -> list[str] | None:
    """Arguments of a component whose further keywords are the fields of its `options`; None for other keywords."""
    try:
        given = get_args(get_type_hints(target.__init__ if inspect.isclass(target) else target)["options"])
    except Exception:  # no such argument, or annotations that cannot be read here
        return None
    options = next((kind for kind in given if is_dataclass(kind)), None)
    return None if options is None else [*names, *(field.name for field in fields(options))]


def _wrong_values(config: Any, shipped: Any, place: str = "") -> Iterator[str]:
    """Strings where the shipped config has a number or a Boolean; ``true`` and ``false`` are fine at the top level."""
    if isinstance(config, dict) and isinstance(shipped, dict):
        for key, value in config.items():
            yield from _wrong_values(value, shipped.get(key), f"{place}#{key}" if place else str(key))
    if not isinstance(config, str) or config[:1] in ("$", "@", "%"):
        return
    if isinstance(shipped, bool) and ("#" in place or config.lower() not in ("true", "false")):
        yield f"Expected `{place}` to be True or False, but got {config!r}: write --{place} True or --{place} False."
    if type(shipped) in (int, float):
        yield f"Expected `{place}` to be a number, but got {config!r}: write --{place} {shipped}, for example."


def _references(config: Any) -> Iterator[str]:
    """Every id that a config refers to, with its parents: ``a::b::c`` gives ``a``, ``a::b`` and ``a::b::c``."""
    if isinstance(config, (dict, list)):
        for item in config.values() if isinstance(config, dict) else config:
            yield from _references(item)
    elif isinstance(config, str):
        for name in ReferenceResolver.match_refs_pattern(config):
            parts = ReferenceResolver.split_id(name)
            yield from ("::".join(parts[: n + 1]) for n in range(len(parts)))


def _is_program(value: Any) -> bool:
    """Whether a value is a list of expressions, which ``--run_id`` may name."""
    return isinstance(value, list) and bool(value) and all(str(item).startswith("$") for item in value)


def _nearest(name: str, part: str, shipped: Mapping[str, Any]) -> str:
    """The known key that a name may mean: of the same part, one that ends with the name, or a similar one."""
    known = [*_names(shipped)]
    same = [key for key in known if key.rpartition("#")[2] == name]
    own = [key for key in known if key.rpartition("#")[0] == part]
    close = difflib.get_close_matches(f"{part}#{name}" if part else name, own, 1)
    leaves = {key.rpartition("#")[2]: key for key in reversed(known)}
    close = close or same or [leaves[leaf] for leaf in difflib.get_close_matches(name, leaves, 1)]
    return f": did you mean `{close[0]}`" + "?" if close else ": python -m monai_acdr.bundle keys NAME lists them"


def _names(config: Any, place: str = "") -> Iterator[str]:
    """Ids of all entries of dictionaries in a config, documented ones first."""
    if not place:
        yield from (name for name in CONFIG_KEYS if _value(config, name) is not _ABSENT)
    for key, value in config.items() if isinstance(config, dict) else ():
        if not key.startswith("_"):
            yield f"{place}{key}"
            yield from _names(value, f"{place}{key}#")


_ABSENT = object()


def _value(config: Any, name: str) -> Any:
    for part in name.split("#"):
        if not isinstance(config, dict) or part not in config:
            return _ABSENT
        config = config[part]
    return config


def _shown(value: Any) -> str:
    if isinstance(value, dict) and value or isinstance(value, list) and "_target_" in str(value):
        return "..."
    return json.dumps(value)


def run(config_file: str | Sequence[str] | None = None, args_file: str | None = None, **options: Any) -> None:
    """Run a bundle as ``monai.bundle.run`` does. A config is code that is run: use only configs that you trust.

    Args:
        config_file: config or list of configs, later ones over earlier ones.
        args_file: JSON or YAML file with defaults of all arguments.
        options: other arguments of :class:`monai.bundle.ConfigWorkflow`, and values of config keys.

    Raises:
        FileNotFoundError, ValueError: when a config cannot be read; the message names the file and the line.
        RuntimeError: raised by MONAI for an error in the run, which is its cause.
    """
    arguments = update_kwargs(_load(args_file) if args_file else None, config_file=config_file, **options)
    files = arguments.get("config_file")
    if not files:
        raise ValueError("Expected a config, but got none: add --config_file configs/train.json.")
    files = files.split(",") if isinstance(files, str) and not Path(files).is_file() else files
    for file in [files] if isinstance(files, str) else files:
        _load(file)
    workflow = ConfigWorkflow(**arguments)
    workflow.initialize()
    workflow.run()
    workflow.finalize()


def key_lines(root: str | os.PathLike[str], config: str = "train") -> list[str]:
    """Readable lines with the keys of a bundle's config, their defaults and meanings.

    Args:
        root: folder of the bundle.
        config: name of the config: train, evaluate, inference, ...

    Raises:
        FileNotFoundError: when the bundle has no such config; the message names the existing ones.
        ValueError: when the config cannot be read.
    """
    root = Path(root)
    names = sorted(path.stem for path in (root / "configs").glob("*.json") if path.stem != "metadata")
    if config not in names:
        raise FileNotFoundError(f"Expected a config of {root.name}, one of {', '.join(names)}, but got {config!r}.")
    found = bundle_keys(root, config)
    width = max(len(key.name) for key in found)
    lines = [f"Keys of {root.name}/configs/{config}.json, each an option of `python -m monai_acdr.bundle run`:", ""]
    for key in found:
        default = key.default if len(key.default) <= 40 else f"{key.default[:37]}..."
        lines.append(f"--{key.name:{width}}  {key.meaning}{f' [{default}]' if default != '...' else ''}")
    return lines


def keys(bundle: str, config: str = "train") -> None:
    """Print the keys of a bundle's config with their defaults and meanings.

    Args:
        bundle: name of a bundle of this installation, or folder of any bundle.
        config: name of the config: train, evaluate, inference, ...
    """
    root = Path(bundle) if (Path(bundle) / "configs").is_dir() else bundle_root(bundle)
    sys.stdout.write("\n".join(key_lines(root, config)) + "\n")


def _main(words: Sequence[str]) -> int:
    fire, found = optional_import("fire")
    if not found:
        sys.stderr.write("Running a bundle needs fire, not installed here: pip install 'monai_acdr[bundle]'\n")
        return 1
    configs = [path for path in re.findall(r"[^\s'\",\[\]]+\.json", " ".join(words)) if Path(path).is_file()]
    if {"-h", "--help"} & set(words) and words[0] == "run" and configs:  # fire knows only the arguments of `run`
        for path in map(Path, configs):
            keys(str(path.resolve().parents[1]), path.stem)
        return 0
    try:
        fire.Fire({"run": run, "keys": keys}, command=list(words), name="python -m monai_acdr.bundle")
    except (FileNotFoundError, ValueError) as error:  # messages that say what to do
        sys.stderr.write(f"{'The run stopped' if words[0] == 'run' else 'Error'}: {error}\n")
        return 1
    except Exception as error:
        traceback.print_exc()
        sys.stderr.write(f"\nThe run stopped: {reason(error)}\n")
        return 1
    return 0


def reason(error: BaseException) -> str:
    """The message of the original error, which says what to do, without MONAI's wrapping errors."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return str(error)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
