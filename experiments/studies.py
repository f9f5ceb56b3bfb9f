# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Definitions of the studies: variants, data, settings and epochs of everything that a table compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monai_acdr.bundle import bundle_root

CONFIGS = Path(__file__).resolve().parent / "configs"


@dataclass(frozen=True)
class Data:
    """A data set, the bundle that reads it, and how it is split.

    Attributes:
        bundle: bundle whose configs/train.json and configs/evaluate.json are run.
        settings: configuration values of every run.
        folder: its name below the folder of all data.
        parts: configuration values of one training each: the folds of a cross-validation.
        views: name -> configuration values of one evaluation: the regions of interest.
        planned_folds: N if regions, input, views, budget and split are those that ``monai-acdr train --folds N``
            chooses for the folder, with a training for each fold; 0 for data sets with settings of this module.
    """

    bundle: str
    folder: str
    settings: Mapping[str, Any]
    parts: tuple[Mapping[str, Any], ...] = ({},)
    views: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"label": {}})
    planned_folds: int = 0


@dataclass(frozen=True)
class Variant:
    """One line of a table.

    Attributes:
        name: in file names.
        title: in tables.
        overlays: configs over the bundle's train.json: names of the bundle's own, or of experiments/configs.
        settings: configuration values over all others.
        value: place on the axis of a plot; None if absent.
        members: the variant whose networks of all seeds are joined to one ensemble, instead of a training;
            ``study/variant`` for one of another study.
        weights_of: the variant whose networks, seed by seed, are measured with these settings, instead of a training.
        shipped: measure the weights that come with the bundle, instead of a training.
        earlier: its records come from a recipe that the bundle no longer has; they are shown, and not run again.
    """

    name: str
    title: str
    overlays: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    members: str = ""
    weights_of: str = ""
    shipped: bool = False
    earlier: bool = False

    @property
    def derived(self) -> bool:
        """Whether it uses networks that other variants train."""
        return bool(self.members or self.weights_of)


@dataclass(frozen=True)
class Study:
    """Variants that are compared: same data, augmentation, epochs and seeds.

    Attributes:
        name: in file names and in the marks of documents.
        question: question that it answers.
        data: key of `DATA`.
        epochs: of each training; the plan sets them for planned data.
        seeds: of each variant.
        variants: the lines of its tables.
        axis: name of the variants' values, for a plot; empty for none.
        figures: columns of its tables, keys of a summary.
        settings: configuration values of every variant.
    """

    name: str
    question: str
    data: str
    epochs: int
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    axis: str = ""
    figures: tuple[str, ...] = ("mean_dice", "pooled_dice", "hd95_px", "boundf", "apd_px", "good_contours_percent")
    settings: Mapping[str, Any] = field(default_factory=dict)

    def seeds_of(self, variant: Variant) -> tuple[int, ...]:
        """The seeds of a variant; a variant without training has a single run."""
        if variant.members:
            return self.seeds[-1:]
        return self.seeds[:1] if variant.settings.get("max_epochs") == 0 else self.seeds


FOLDS = 5
# As in the paper: the reference's centroid is the middle of the region, in training and afterwards.
_KNOWN = Data(
    "sunnybrook_lv_acdr",
    "sunnybrook_png",
    {"train_group": "training", "group": "validation", "view#shift": 0.0},
    views={"label": {"roi": "label"}},
)
DATA = {
    # Sunnybrook's official groups; SC-N-6 is read and left out of the figures by the bundle.
    "sunnybrook": Data(
        "sunnybrook_lv_acdr",
        "sunnybrook_png",
        {"train_group": "training", "group": "validation"},
        views={"label": {"roi": "label"}, "center": {"roi": "center"}},
    ),
    "sunnybrook_known": _KNOWN,
    # The same with two sides: the bundle's, and the middle of the sides in training, which are 75 to 140 pixels.
    "sunnybrook_sides": replace(
        _KNOWN, views={**_KNOWN.views, "label_107": {"roi": "label", "region#label_side": 107}}
    ),
    # Four patients as DICOM files, with the contours themselves: one of the validation group, three of training.
    "sunnybrook_dicom": Data(
        "sunnybrook_lv_acdr",
        "sunnybrook_dicom",
        {},
        views={
            f"{group}_{roi}": {"group": group, "roi": roi}
            for group in ("validation", "training")
            for roi in ("label", "center")
        },
    ),
    "cdd_cesm": Data(
        "inbreast_mass_acdr",
        "cdd_cesm",
        {"source": "pairs", "holdout": 0.0, "group": "test"},
        parts=tuple(
            {"source_options": {"row_filter": {"mass_like": "1"}, "folds": FOLDS, "fold": fold}}
            for fold in range(FOLDS)
        ),
    ),
    "cdd_cesm_all": Data(
        "inbreast_mass_acdr",
        "cdd_cesm",
        {
            "source": "pairs",
            "holdout": 0.0,
            "train_group": None,
            "group": None,
            "source_options": {"row_filter": {"mass_like": "1"}},
        },
    ),
}

# Images and masks as users have them, by `monai-acdr train`. sunnybrook_pairs.py and nuclei_pairs.py make two of them;
# isbi is data/membrane/train of https://github.com/zhixuhao/unet, its folders renamed to images and masks.
DATA |= {
    "sunnybrook_pairs": Data("contour_acdr", "sunnybrook_pairs", {}, planned_folds=1),
    "nuclei_pairs": Data("contour_acdr", "nuclei_pairs", {}, planned_folds=1),
    "cells_pairs": Data("contour_acdr", "isbi", {}, planned_folds=1),
    "cdd_cesm_split": Data("contour_acdr", "cdd_cesm", {}, planned_folds=1),
    "cdd_cesm_pairs": Data("contour_acdr", "cdd_cesm", {}, planned_folds=FOLDS),
}

_OURS = Variant("contour", "ours: contour")
# The presets bring augmentations of their own; here all variants see the same views of the endocardium.
_TRAIN = bundle_root("sunnybrook_lv_acdr") / "configs" / "train.json"
_SAME_AUGMENTATION = {"view": json.loads(_TRAIN.read_text(encoding="utf-8"))["view"]}
_BASELINES = (
    _OURS,
    Variant("ensemble", "ours: the fields of all seeds averaged", members="contour"),
    Variant(
        "as_trained",
        "ours: with 32 vertices, as in training",
        settings={"network_def#initial_contour#num_vertices": 32},
        weights_of="contour",
    ),
    Variant("pixel_wise", "same network, pixel-wise", ("pixel_wise",)),
    Variant("unet", "MONAI UNet", ("pixel_wise", "unet")),
    Variant("dynunet", "MONAI DynUNet, deep supervision", ("pixel_wise", "dynunet")),
    Variant("paper", "preset `paper`, mesh renderer", ("paper",), _SAME_AUGMENTATION),
    Variant("paper_steps", "the same, batch of 16", ("paper",), {**_SAME_AUGMENTATION, "batch_size": 16}),
    Variant(
        "reference_code",
        "preset `reference_code`, mesh renderer, a quarter of its width",
        ("reference_code",),
        {**_SAME_AUGMENTATION, "network_def#displacement_net#channels": [32, 64, 128]},
    ),
    Variant("chan_vese", "morphological Chan-Vese", ("pixel_wise", "chan_vese"), {"max_epochs": 0}),
)
_VERTICES = tuple(
    Variant(f"k{n}", f"K = {n}", (), {"network_def#initial_contour#num_vertices": n}, n)
    for n in (4, 8, 16, 32, 64, 128)
)
_ITERATIONS = tuple(Variant(f"t{n}", f"T = {n}", (), {"network_def#num_iterations": n}, n) for n in (1, 2, 3, 4, 5))
_SIZES = tuple(Variant(f"s{n}", f"{n} x {n}", (), {"roi_size": n}, n) for n in (16, 32, 64, 96, 128))
_TERMS = (
    Variant("all", "all: Dice + balloon + curvature"),
    Variant("segmentation", "Dice only", (), {"loss#balloon_weight": 0.0, "loss#curvature_weight": 0.0}),
    Variant("curvature", "Dice + curvature", (), {"loss#balloon_weight": 0.0}),
    Variant("balloon", "Dice + balloon", (), {"loss#curvature_weight": 0.0}),
    Variant("mse", "mean squared error + balloon + curvature", (), {"loss#segmentation": "mse"}),
    Variant("spacing", "all + even spacing of vertices", (), {"loss#distance_weight": 0.1}),
)
_RENDERERS = (
    Variant("exact", "`exact`"),
    Variant("soft", "`soft`", (), {"rasterizer": "soft"}),
    Variant("mesh", "`mesh`, the paper's", (), {"rasterizer": "mesh"}),
)
_RECIPE = (
    Variant("default", "default"),
    Variant("paper_blocks", "blocks of the paper", (), {"network_def#displacement_net#blocks": "paper"}),
    Variant("never_upright", "turned and flipped to the end", earlier=True),
    Variant("always_upright", "upright from the start", earlier=True),
    Variant("always_shifted", "always shifted", (), {"view#shift_prob": 1.0}),
    Variant("never_shifted", "never shifted", (), {"view#shift": 0.0}),
    Variant("no_cavity", "ventricles of their own size only", (), {"view#warp_prob": 0.0}),
    Variant("no_dropout", "no dropout", (), {"network_def#displacement_net#dropout": 0.0}),
    Variant("wide", "twice the width", (), {"network_def#displacement_net#channels": [32, 64, 128, 256]}),
)
_VIEWS = (
    Variant("default", "default: endocardium and epicardium"),
    Variant(
        "one", "endocardium alone", (), {"structures": ["endocardium"], "network_def#initial_contour#diameter": 0.25}
    ),
    Variant("upright", "neither turned nor mirrored", (), {"view#angle": 0.0, "view#flip_prob": 0.0}),
    Variant("no_warp", "walls and ventricles of their own size only", (), {"view#warp_prob": 0.0}),
    Variant("no_stretch", "not stretched", (), {"view#stretch": 0.0}),
    Variant("no_appearance", "intensities of their own only", (), {"view#appearance": None}),
)

_WEIGHTS = (Variant("member", "one network"), Variant("ensemble", "the three together", members="member"))
# The paper's size of the network's input; a study of many variants takes less than half the time of the default.
_SMALL = {"roi_size": 64}

# One group of structures is trained by all: a network that gives masks has no starting contour and no vertices.
_OWN_DATA = (_OURS, *_BASELINES[3:6])

STUDIES = {
    study.name: study
    for study in (
        Study(
            "baselines",
            "contours against masks and the paper's own settings",
            "sunnybrook",
            80,
            (0, 1, 2),
            _BASELINES,
        ),
        Study(
            "own_data",
            "the plan of `monai-acdr train`, contours and masks",
            "sunnybrook_pairs",
            0,
            (0, 1, 2),
            _OWN_DATA,
        ),
        Study("own_data_nuclei", "the same on nuclei in microscopy", "nuclei_pairs", 0, (0, 1, 2), _OWN_DATA),
        Study("own_data_cells", "the same on cells in electron microscopy", "cells_pairs", 0, (0, 1, 2), _OWN_DATA),
        Study("own_data_masses", "the same on CDD-CESM", "cdd_cesm_split", 0, (0, 1, 2), _OWN_DATA),
        Study("own_data_folds", "the same in five folds of CDD-CESM", "cdd_cesm_pairs", 0, (0, 1, 2), _OWN_DATA),
        Study(
            "known_position",
            "the same with the position known in training, too",
            "sunnybrook_sides",
            80,
            (0, 1, 2),
            (_OURS, *_BASELINES[2:6]),
        ),
        Study(
            "ensembles",
            "three networks of each kind together, with the position known in training",
            "sunnybrook_sides",
            80,
            (0,),
            tuple(
                Variant(name, title, overlays, members=f"known_position/{name}")
                for name, title, overlays in (
                    ("contour", "ours: the fields of all seeds averaged", ()),
                    ("pixel_wise", "same network, pixel-wise, logits averaged", ("pixel_wise", "mean_of_three")),
                    ("unet", "MONAI UNet, logits averaged", ("pixel_wise", "unet", "mean_of_three")),
                    ("dynunet", "MONAI DynUNet, logits averaged", ("pixel_wise", "dynunet", "mean_of_three")),
                )
            ),
        ),
        Study(
            "dicom",
            "DICOM files, in mm",
            "sunnybrook_dicom",
            0,
            (0,),
            (
                Variant("ensemble", "trained on the group training", members="baselines/contour"),
                Variant("shipped", "weights of the bundle", shipped=True),
                Variant(
                    "ensemble_as_trained",
                    "the first, with 32 vertices",
                    settings={"network_def#initial_contour#num_vertices": 32},
                    members="baselines/contour",
                ),
                Variant(
                    "shipped_as_trained",
                    "the second, with 32",
                    settings={"network_def#initial_contour#num_vertices": 32},
                    shipped=True,
                ),
            ),
            figures=("mean_dice", "pooled_dice", "hd95_mm", "boundf", "apd_mm", "good_contours_percent"),
        ),
        Study(
            "weights",
            "the shipped weights, trained on the group training",
            "sunnybrook",
            160,
            (0, 1, 2),
            _WEIGHTS,
        ),
        Study("recipe", "what each choice is worth", "sunnybrook", 40, (0,), _RECIPE, settings=_SMALL),
        Study(
            "views", "what each part of the views in training is worth", "sunnybrook", 40, (0,), _VIEWS, settings=_SMALL
        ),
        Study("vertices", "number of vertices K", "sunnybrook_known", 40, (0,), _VERTICES, "K", settings=_SMALL),
        Study("iterations", "number of iterations T", "sunnybrook_known", 40, (0,), _ITERATIONS, "T", settings=_SMALL),
        Study("sizes", "size of the network's input", "sunnybrook_known", 40, (0,), _SIZES, "pixels"),
        Study("terms", "terms of the loss", "sunnybrook_known", 40, (0,), _TERMS, settings=_SMALL),
        Study(
            "renderers", "what draws the masks of the loss", "sunnybrook_known", 40, (0,), _RENDERERS, settings=_SMALL
        ),
        Study(
            "mass_baselines",
            "contours against masks, and against no training",
            "cdd_cesm",
            150,
            (0, 1, 2),
            (
                _OURS,
                Variant("small", "ours: input of 32 x 32", settings={"roi_size": 32}),
                *_BASELINES[3:6],
                Variant("untrained", "ours, untrained: about the first circle", settings={"max_epochs": 0}),
            ),
        ),
        Study(
            "mass_weights",
            "the shipped weights: trained on all masses, so its figures say how well these were learned",
            "cdd_cesm_all",
            150,
            (0, 1, 2),
            _WEIGHTS,
        ),
        Study("mass_vertices", "number of vertices K", "cdd_cesm", 50, (0,), _VERTICES, "K"),
        Study("mass_iterations", "number of iterations T", "cdd_cesm", 50, (0,), _ITERATIONS, "T"),
        Study("mass_sizes", "size of the network's input", "cdd_cesm", 50, (0,), _SIZES, "pixels"),
        Study("mass_terms", "terms of the loss", "cdd_cesm", 50, (0,), _TERMS),
    )
}
"""The studies by name. `experiments/tables.py` makes a table and, with an axis, a plot of each."""
