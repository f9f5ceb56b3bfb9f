# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Layers, blocks and networks."""
