# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies that lie on a DICOMweb server, and results that go there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from monai_acdr.dicom import DicomWeb, parse_study_url

__all__ = ["fetch_study", "store_results"]


@contextmanager
def fetch_study(
    study: str | os.PathLike[str], progress: Callable[[str, int, int], None] | None = None
) -> Iterator[Path]:
    """A path to read: that of a file or folder, or of a temporary copy of what lies on a server.

    Args:
        study: path, or URL of a study or series.
        progress: told ("fetch", done, all).

    Yields:
        The path; a copy is gone when the block ends.
    """
    if not str(study).lower().startswith(("http://", "https://")):
        yield Path(study)
        return
    base, study_uid, series_uid = parse_study_url(str(study))
    server = DicomWeb(base)
    with tempfile.TemporaryDirectory(prefix="monai_acdr-") as folder:
        server.retrieve(
            study_uid,
            Path(folder) / "study",
            series_uid,
            images_only=True,  # not the results of an earlier run
            progress=None if progress is None else lambda done, total: progress("fetch", done, total),
        )
        yield Path(folder) / "study"


def store_results(url: str, folder: Path, files: Sequence[str]) -> int:
    """Send the DICOM files among the results to a server.

    Args:
        url: of the service.
        folder: with the results.
        files: names of all results.

    Returns:
        How many were sent.
    """
    paths = [folder / name for name in files if name.endswith(".dcm")]
    DicomWeb(url).store(paths)
    return len(paths)
