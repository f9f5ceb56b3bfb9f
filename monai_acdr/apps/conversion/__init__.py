# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The parts of the verb `convert`: formats, what is read, what becomes of it, what is written."""
