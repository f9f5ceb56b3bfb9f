# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A stand-in for torchvision in tests: MONAI Label imports two functions of it and calls none of them here."""
