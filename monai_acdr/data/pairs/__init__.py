# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data lists of any data set of images and masks or polygons: the files that belong together, and their items."""

from __future__ import annotations

from monai_acdr.data.pairs.items import PairOptions, list_pair_items, pair_folder_data_list

__all__ = ["PairOptions", "list_pair_items", "pair_folder_data_list"]
