# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Volumes of the left ventricle by other networks, by the protocol of ``monai-acdr agreement``.

    python experiments/baseline_agreement.py STUDIES --overlays pixel_wise dynunet --weights last.pt --output OUT
    python experiments/baseline_agreement.py STUDIES --overlays --weights last.pt --output OUT  # contours

Regions, localizer, rule of the base, volumes and statistics are those of the Sunnybrook bundle; only the contours in a
region come from another network, moved by ``border_mm`` as well. Probabilities of masks are traced at one half, with
sub-pixel vertices, and the largest object of each structure counts. Of several ``--weights`` of masks the logits are
averaged; contours of several are ``configs/ensemble.json`` of the bundle. Masks are not asked for a convex epicardium
at the base: the rule was chosen for polygons of 64 vertices, and would cost them about ten slices with a ventricle.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import torch
from monai.data import MetaTensor
from pixel_wise import MeanLogits
from torch import Tensor
from train_network import overlay_configs

from monai_acdr.apps import outlines
from monai_acdr.apps.model import load_model
from monai_acdr.apps.volume_agreement import agreement
from monai_acdr.bundle import bundle_root
from monai_acdr.geometry import resample
from monai_acdr.handlers import load_network
from monai_acdr.inferers import ContourInferer, InferredContours
from monai_acdr.transforms import ContourToImage, mask_to_contour

BUNDLE = "sunnybrook_lv_acdr"
NUM_VERTICES = 256


class MaskInferer(ContourInferer):
    """A :class:`~monai_acdr.inferers.ContourInferer` of a network that gives logits (B, C, h, w), C >= ``number``.

    Its evolution has one step: from the region's center, without area, to the traced outline. A missing structure
    stays without area.
    """

    def __init__(self, network: torch.nn.Module, like: ContourInferer, number: int) -> None:
        super().__init__(network, like.crop, like.batch_size, like.device, nested=False)  # type: ignore[arg-type]
        self.number = number
        self.to_image = ContourToImage()

    def __call__(self, images: Sequence[MetaTensor], rois: Sequence[Tensor]) -> list[Tensor]:
        """(2, N, 256, 2) float64 for each image, in pixels of its file."""
        results = []
        for crops, batch in self._batches(images, rois):
            with torch.inference_mode():
                logits = self.network(batch)
            logits = logits[:, 0] if logits.ndim == 5 else logits  # deep supervision: the full resolution
            for crop, probability in zip(crops, logits[:, : self.number].float().sigmoid(), strict=True):
                start = torch.tensor(crop.shape[-1:-3:-1], dtype=torch.float64) / 2
                contours = start.expand(2, self.number, NUM_VERTICES, 2).clone()
                for index, channel in enumerate(probability):
                    if bool((channel > 0.5).any()):
                        contours[1, index] = resample(mask_to_contour(channel, 0.5), NUM_VERTICES)
                results.append(self.to_image(contours, crop).as_tensor())
        return results

    def outline(self, images: Sequence[MetaTensor], rois: Sequence[Tensor]) -> list[InferredContours]:
        """The contours of a call, neither repaired nor with a spread."""
        return [InferredContours(contours, None, ((),) * self.number) for contours in self(images, rois)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print the statistics."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("studies")
    options.add_argument("--overlays", nargs="*", default=["pixel_wise"], help="configs of experiments/configs")
    options.add_argument("--weights", nargs="+", required=True)
    options.add_argument("--output", required=True)
    options.add_argument("--roi", default="label")
    chosen = options.parse_args(arguments)
    model = load_model(BUNDLE)
    if chosen.overlays:
        parser = overlay_configs(bundle_root(BUNDLE) / "configs", chosen.overlays)
        parser["num_structures"] = len(model.structures)
        networks = MeanLogits(parser.get_parsed_content("mask_network"), len(chosen.weights))
        for member, weights in zip(networks.members, chosen.weights, strict=True):
            load_network(member, weights)
        model = replace(model, infer=MaskInferer(networks.eval(), model.infer, len(model.structures)))
    else:  # other weights have no borders of their own
        (weights,) = chosen.weights
        model = replace(load_model(BUNDLE, weights), border_mm=model.border_mm)
    with patch.object(outlines, "SOLID", 0.0 if chosen.overlays else outlines.SOLID):
        result = agreement(chosen.studies, chosen.output, model, chosen.roi, overwrite=True)
    print(json.dumps({key: result[key] for key in ("lost_slices", "added_slices", "mean_dice", "measures")}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
