# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The MONAI Label app: contours from clicks, boxes or drags.

Modules named ``server_*`` are MONAI Label's side and import it; all others do without, and can be used and tested where
it is not installed. MONAI Label itself is given a work folder (:mod:`.app_folder`), not this one: it writes there.
"""
