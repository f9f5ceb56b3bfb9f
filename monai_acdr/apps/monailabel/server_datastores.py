# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Where images and labels are: a folder, or a DICOMweb server behind a cache."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import HTTPException
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.datastore.local import LocalDatastore
from monailabel.datastore.utils.dicom import dicom_web_upload_dcm
from monailabel.interfaces.datastore import DefaultLabelTag

from monai_acdr.apps.monailabel.images import ImageCache, LabelImage
from monai_acdr.apps.monailabel.saved_labels import labels_of_seg
from monai_acdr.apps.monailabel.series_order import convert_series
from monai_acdr.apps.monailabel.server_labels import CheckedLabels, answering
from monai_acdr.apps.monailabel.study_names import check_tag, is_series_folder
from monai_acdr.apps.monailabel.uploads import discarding
from monai_acdr.files import replace_file

__all__ = ["DicomWebStudies", "StudiesFolder"]

CONVERTED = ".converted"
"""Folder of the NIfTI volumes that are made of DICOM series for clients."""


class StudiesFolder(CheckedLabels, LocalDatastore):
    """A folder of images: NIfTI, NRRD, pictures, DICOM files, and folders of one DICOM series each.

    Args:
        path: the folder; labels are in ``labels/<tag>`` of it, ``datastore_v2.json`` says what there is.
        images: cache of decoded images.
    """

    def __init__(self, path: str, images: ImageCache) -> None:
        self.images = images
        super().__init__(
            path,
            extensions=[*settings.MONAI_LABEL_DATASTORE_FILE_EXT, "*.dcm", "*/*.dcm"],  # the last one is watched only
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def series_folder(self, image_id: str) -> Path | None:
        folder = Path(super().get_image_uri(image_id))
        return folder if folder.is_dir() else None

    def get_image_uri(self, image_id: str) -> str:
        """The image's file; of a folder of DICOM files a NIfTI volume made of it, for clients read files only."""
        found = super().get_image_uri(image_id)
        if not found or not os.path.isdir(found):
            return str(found)
        target = Path(self._datastore_path) / CONVERTED / f"{image_id}.nii.gz"
        if not target.exists() or target.stat().st_mtime < os.stat(found).st_mtime:
            target.parent.mkdir(exist_ok=True)
            with replace_file(target) as temporary:
                convert_series(Path(found), temporary)
        return str(target)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        if not super().get_image_uri(image_id):
            with discarding(label_filename):
                raise HTTPException(
                    status_code=404, detail="Expected a label of an image of this server: there is none."
                )
        file = self.checked_label(image_id, Path(label_filename), label_tag)
        return self._store_label(image_id, file, check_tag(label_tag), label_info)

    def _to_id(self, file: str) -> tuple[str, str]:
        if os.path.isdir(os.path.join(self._datastore.image_path(), file)):
            return file, ""
        name, extension = super()._to_id(file)
        return str(name), str(extension)

    def _list_files(self, path: str, patterns: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = super()._list_files(path, patterns)
        if os.path.realpath(path) != os.path.realpath(self._datastore.image_path()):
            return found
        folders = [entry for entry in Path(path).iterdir() if entry.is_dir() and entry.name != "labels"]
        found = {name: file for name, file in found.items() if (Path(path) / name).is_file()}
        return {**found, **{folder.name: folder.name for folder in folders if is_series_folder(folder)}}


class DicomWebStudies(CheckedLabels, DICOMWebDatastore):
    """The series of a DICOMweb server; final labels are stored there as DICOM segmentations by our own writer.

    Args:
        client: of the server.
        images: cache of decoded images.
    """

    def __init__(self, client: Any, images: ImageCache) -> None:
        self.images = images
        cache = str(settings.MONAI_LABEL_DICOMWEB_CACHE_PATH or "").strip()
        super().__init__(
            client=client,
            search_filter=settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER,
            cache_path=cache or None,
            fetch_by_frame=settings.MONAI_LABEL_DICOMWEB_FETCH_BY_FRAME,
            convert_to_nifti=settings.MONAI_LABEL_DICOMWEB_CONVERT_TO_NIFTI,
        )

    def series_folder(self, image_id: str) -> Path | None:
        return Path(self._datastore.image_path(), image_id).resolve()

    def get_image_uri(self, image_id: str) -> str:
        if not re.fullmatch(r"[0-9.]{1,64}", image_id):
            raise HTTPException(status_code=404, detail="Expected a SeriesInstanceUID of the server, but got none.")
        folder = Path(self._datastore.image_path(), image_id)
        try:
            return str(super().get_image_uri(image_id))
        except IndexError:
            raise HTTPException(status_code=404, detail=f"Expected a series, but there is no {image_id}.") from None
        except OSError as error:  # errors of requests are some
            if not any(folder.glob("*.dcm")):  # an empty folder would be taken for a series
                shutil.rmtree(folder, ignore_errors=True)
            status = 404 if "404" in str(error) else 502
            detail = f"Expected series {image_id} from the DICOMweb server, but it gives none ({type(error).__name__})."
            raise HTTPException(status_code=status, detail=detail) from error

    def saved_label(self, image_id: str, image: LabelImage) -> np.ndarray:
        """The label that was saved here, else a segmentation of the series that others stored on the server."""
        if os.path.isfile(LocalDatastore.get_label_uri(self, image_id, DefaultLabelTag.FINAL)):
            return super().saved_label(image_id, image)
        study = str(image.sources[0].header.StudyInstanceUID)
        query = {"StudyInstanceUID": study, "Modality": "SEG"}
        for record in self._client.search_for_series(search_filters=query):
            for instance in self._client.retrieve_series(study, record["0020000E"]["Value"][0]):
                referenced = [str(item.SeriesInstanceUID) for item in instance.get("ReferencedSeriesSequence") or []]
                if image_id in referenced:
                    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
                        instance.save_as(file.name)
                        return labels_of_seg(Path(file.name), image)
        raise ValueError("Expected a segmentation of a labeled series, but the server has none.")

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any], label_id: str = ""
    ) -> str:
        """Store a final label on the server first, then in the cache; one that fails there is not saved at all."""
        file = self.checked_label(image_id, Path(label_filename), label_tag)
        info = dict(label_info or {})
        if check_tag(label_tag) == DefaultLabelTag.FINAL.value:
            with discarding(label_filename), answering(label_filename):
                seg = self.dicom_seg(image_id, file, info.get("label_info") or [])
            try:
                info["SeriesInstanceUID"] = dicom_web_upload_dcm(seg, self._client)
            except OSError as error:
                detail = f"The DICOMweb server does not take the label ({type(error).__name__}): it is not saved."
                raise HTTPException(status_code=502, detail=detail) from error
            finally:
                os.unlink(seg)
            DICOMWebDatastore.get_labeled_images.cache_clear()  # else it is offered as unlabeled for two hours
            image = self.get_image_info(image_id)
            info.update({key: image.get(key) for key in ("Modality", "PatientID", "StudyInstanceUID")})
        return self._store_label(image_id, file, check_tag(label_tag), info)
