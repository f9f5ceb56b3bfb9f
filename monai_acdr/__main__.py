# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""`python -m monai_acdr` is the command line ``monai-acdr``, where scripts are not on the path."""

from monai_acdr.apps.cli import main

if __name__ == "__main__":
    main(prog_name="python -m monai_acdr")
