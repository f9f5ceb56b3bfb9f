# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The MONAI Label app: contours from clicks, boxes or drags.

Only ``server`` imports MONAI Label; all other modules can be used and tested without it. MONAI Label itself is given a
work folder (:mod:`.app_folder`), not this one, because it writes to the folder.
"""
