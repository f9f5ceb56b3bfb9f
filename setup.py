# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Which packages the wheel holds; metadata, requirements and extras are in setup.cfg.

The bundles lie beside the package in the repository, where MONAI's tools expect them, and inside it in a wheel, so that
an installed copy can find them (``monai_acdr.bundle.bundle_root``). A real study for first steps is inside the package.
"""

from __future__ import annotations

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["monai_acdr", "monai_acdr.*"]), "monai_acdr.bundles"],
    package_dir={"monai_acdr.bundles": "bundles"},
    package_data={
        "monai_acdr": ["py.typed", "apps/*.schema.json", "apps/review/static/*", "visualize/*.jinja"],
        "monai_acdr.data.examples": ["sunnybrook/**"],
        "monai_acdr.bundles": ["*/LICENSE", "*/configs/*", "*/docs/*", "*/models/*", "*/large_files.yml"],
    },
)
