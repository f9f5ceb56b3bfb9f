# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies name what exists."""

from __future__ import annotations

from importlib import import_module

from monai_acdr.bundle import bundle_root


def test_names_are_unique_and_overlays_exist() -> None:
    studies, training = import_module("studies"), import_module("train_network")
    for study in studies.STUDIES.values():
        names = [variant.name for variant in study.variants]
        assert len(set(names)) == len(names)
        own = bundle_root(studies.DATA[study.data].bundle) / "configs"
        for variant in study.variants:
            assert all(training.find_overlay(own, name).is_file() for name in variant.overlays)
            assert (variant.value is not None) == bool(study.axis)


def test_settings_are_keys_of_their_configuration() -> None:
    studies, training = import_module("studies"), import_module("train_network")
    for study in studies.STUDIES.values():
        data = studies.DATA[study.data]
        for variant in study.variants:
            known = training.read_config(data, variant, {}).get()
            given = {
                *variant.settings,
                *study.settings,
                *data.settings,
                *data.parts[0],
                *(k for v in data.views.values() for k in v),
            }
            assert given <= set(known), given - set(known)
