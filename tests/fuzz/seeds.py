# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Seeds of the fuzz suite: small whole inputs from the package's own phantoms and writers, with a known identity."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel as nib
import numpy as np
import pydicom
import torch
from monai.bundle import ConfigParser
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, RLELossless

from monai_acdr.apps.documents import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.monailabel.images import write_nrrd
from monai_acdr.bundle import bundle_root
from monai_acdr.data.contour_files import write_contour
from monai_acdr.data.phantoms import (
    write_cbis_ddsm_cases,
    write_ddsm_cases,
    write_inbreast_cases,
    write_pair_folder,
    write_short_axis_studies,
)
from monai_acdr.dicom import LV_ENDOCARDIUM, SourceFrame, read_sources, write_rtstruct, write_seg
from monai_acdr.handlers import save_checkpoint

__all__ = ["IDENTITY", "Files", "Seeds"]

Files = dict[str, bytes]
"""A case: relative path -> content."""

IDENTITY = {
    "PatientName": "Fuzzsecret^Marker",
    "PatientID": "FUZZSECRETID",
    "PatientBirthDate": "19010203",
    "OtherPatientIDs": "FUZZSECRETOTHER",
    "PatientAddress": "FUZZSECRETSTREET",
}
"""Identity in each DICOM seed: none of it may appear in a message, a warning or a log."""

SIZE = (100, 96)
SHAPE = np.array([[40.25, 41.5], [59.75, 42.0], [59.5, 54.25], [49.5, 54.0], [49.0, 63.75], [40.0, 63.5]])


@dataclass
class Seeds:
    """Makes seeds in a folder, which also keeps what is not mutated: the images of a structure set, a network.

    Attributes:
        folder: an empty folder.
    """

    folder: Path
    _made: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """The seeds of a method ``_make_<name>``, made once, when they are first asked for."""
        made = self.__dict__["_made"]
        if name not in made:
            make: Callable[[], Any] = object.__getattribute__(self, f"_make_{name}")
            made[name] = make()
        return made[name]

    def _make_heart(self) -> Path:
        """A data set of Sunnybrook's layout with link.csv: one patient, 2 slices, 2 phases."""
        folder = write_short_axis_studies(self.folder / "heart", 1, 2, 2, SIZE, (1.3, 1.4))
        for path in folder.rglob("*.dcm"):
            _identify(path)
        return folder

    def _make_study_folder(self) -> Path:
        return next((self.heart / "dicoms").iterdir())

    def _make_study(self) -> list[Files]:
        return [_content(self.study_folder)]

    def _make_one_image(self) -> list[Files]:
        first = sorted(self.study_folder.rglob("*.dcm"))[0]
        return [{"image.dcm": first.read_bytes()}]

    def _make_sources(self) -> list[SourceFrame]:
        return read_sources(sorted(self.study_folder.rglob("*.dcm")))

    def _make_compressed(self) -> list[Files]:
        """Images in RLE and, where an encoder is installed, JPEG-LS and JPEG 2000."""
        found = []
        for syntax in (RLELossless, UID("1.2.840.10008.1.2.4.80"), UID("1.2.840.10008.1.2.4.90")):
            dataset = pydicom.dcmread(sorted(self.study_folder.rglob("*.dcm"))[0])
            try:
                dataset.compress(syntax, generate_instance_uid=False)
            except Exception:
                continue
            found.append({"image.dcm": _saved(dataset)})
        return found

    def _make_enhanced(self) -> list[Files]:
        """A multi-frame MR image with functional groups, shared and per frame."""
        dataset = pydicom.dcmread(sorted(self.study_folder.rglob("*.dcm"))[0])
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.4.1")
        normal = np.cross(dataset.ImageOrientationPatient[:3], dataset.ImageOrientationPatient[3:])
        first = np.array(dataset.ImagePositionPatient, dtype=np.float64)
        frames = []
        for number in range(4):
            place = [f"{value:.6f}" for value in first + 10 * (number // 2) * normal]
            frame = _group("PlanePositionSequence", ImagePositionPatient=place)
            frame.update(_group("CardiacSynchronizationSequence", NominalCardiacTriggerDelayTime=40.0 * (number % 2)))
            content = {
                "DimensionIndexValues": [number // 2 + 1, number % 2 + 1],
                "TemporalPositionIndex": number % 2 + 1,
            }
            frame.update(_group("FrameContentSequence", StackID="1", InStackPositionNumber=number // 2 + 1, **content))
            frames.append(frame)
        shared = _group("PixelMeasuresSequence", PixelSpacing=list(dataset.PixelSpacing), SliceThickness="8")
        orientation = list(dataset.ImageOrientationPatient)
        shared.update(_group("PlaneOrientationSequence", ImageOrientationPatient=orientation))
        values = {"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "US"}
        shared.update(_group("PixelValueTransformationSequence", **values))
        dataset.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
        dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
        dataset.NumberOfFrames = 4
        dataset.PixelData = dataset.PixelData * 4
        for keyword in ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness"):
            del dataset[keyword]
        return [{"image.dcm": _saved(dataset)}]

    def _make_values(self) -> list[Files]:
        """Images whose values need a separate path: MONOCHROME1 with rescale, a lookup table, a palette."""
        found = []
        for kind in ("rescale", "lookup", "palette"):
            dataset = pydicom.dcmread(sorted(self.study_folder.rglob("*.dcm"))[0])
            dataset.PixelRepresentation = 0
            stored = np.clip(np.frombuffer(dataset.PixelData, "<i2"), 0, 255).astype("<u2")
            dataset.PixelData = stored.tobytes()
            if kind == "rescale":
                dataset.PhotometricInterpretation = "MONOCHROME1"
                dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "2", "-10", "US"
            elif kind == "lookup":
                table = Dataset()
                table.LUTDescriptor, table.ModalityLUTType = [256, 0, 16], "US"
                table["LUTDescriptor"].VR = "US"
                table.add_new("LUTData", "OW", np.arange(256, dtype="<u2").tobytes())
                dataset.ModalityLUTSequence = DicomSequence([table])
            else:
                dataset.PhotometricInterpretation = "PALETTE COLOR"
                for color in ("Red", "Green", "Blue"):
                    dataset.add_new(f"{color}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
                    data = (np.arange(256, dtype="<u2") * 257).tobytes()
                    dataset.add_new(f"{color}PaletteColorLookupTableData", "OW", data)
            found.append({"image.dcm": _saved(dataset)})
        return found

    def _make_rtstruct(self) -> list[Files]:
        path = self.folder / "rtstruct.dcm"
        with _fixed_uids():
            write_rtstruct(path, [SHAPE] * len(self.sources), self.sources, LV_ENDOCARDIUM)
        return [{"rtstruct.dcm": path.read_bytes()}]

    def _make_seg(self) -> list[Files]:
        found = []
        for kind in ("BINARY", "FRACTIONAL"):
            path = self.folder / f"{kind}.dcm"
            with _fixed_uids():
                write_seg(path, [SHAPE] * len(self.sources), self.sources, kind, LV_ENDOCARDIUM)
            found.append({"seg.dcm": path.read_bytes()})
        return found

    def _make_document(self) -> list[Files]:
        frames = []
        for number, source in enumerate(self.sources):
            world = source.to_world(SHAPE)
            more = {"world": (world,), "spread": (np.full(len(SHAPE), 0.5),)} if number % 2 else {}
            place = {"spacing": source.spacing, "sop_instance_uid": source.key[0], "frame": source.key[1]}
            frames.append(FrameContours(name=f"frame-{number}", size=source.size, contours=(SHAPE,), **place, **more))
        path = self.folder / "contours.json"
        write_contour_document(path, ContourDocument((LV_ENDOCARDIUM,), tuple(frames)))
        return [{"contours.json": path.read_bytes()}]

    def _make_contour(self) -> list[Files]:
        path = self.folder / "contour.txt"
        write_contour(path, torch.from_numpy(SHAPE))
        return [{"contour.txt": path.read_bytes()}]

    def _make_nifti(self) -> list[Files]:
        """A volume, and one of four dimensions."""
        found = []
        for shape in ((24, 20, 3), (16, 14, 2, 2)):
            voxels = np.arange(np.prod(shape)).reshape(shape).astype(np.int16)
            image = nib.Nifti1Image(voxels, np.diag([1.3, 1.4, 8.0, 1.0]))
            image.header.set_xyzt_units("mm", "sec")
            found.append({"volume.nii": image.to_bytes()})
        return found

    def _make_labels(self) -> list[Files]:
        """Label maps as clients send them: NIfTI, NRRD, PNG."""
        mask = np.zeros((24, 20, 3), dtype=np.uint8)
        mask[5:12, 6:15, 1] = 1
        path = self.folder / "label.nrrd"
        write_nrrd(path, mask, np.eye(4), compress=True)
        plain = self.folder / "plain.nrrd"
        write_nrrd(plain, mask, np.eye(4))
        return [
            {"label.nii": nib.Nifti1Image(mask, np.eye(4)).to_bytes()},
            {"label.nrrd": path.read_bytes()},
            {"label.nrrd": plain.read_bytes()},
            {"label.png": _picture("PNG", mask[..., 1])},
        ]

    def _make_label_maps(self) -> list[Files]:
        """Those of the label maps that `convert` reads."""
        return [files for files in self.labels if "label.nrrd" not in files]

    def _make_picture(self) -> list[Files]:
        """One picture of each kind: gray, of 16 bits, with a palette, in color; pages."""
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 255, (24, 20), dtype=np.uint8)
        wide = rng.integers(0, 65535, (24, 20), dtype=np.uint16)
        color = rng.integers(0, 255, (24, 20, 3), dtype=np.uint8)
        pages = io.BytesIO()
        first, *others = (Image.fromarray(np.roll(pixels, step, axis=0)) for step in range(3))
        first.save(pages, "TIFF", save_all=True, append_images=others)
        palette = io.BytesIO()
        Image.fromarray(pixels).convert("P").save(palette, "PNG")
        return [
            {"image.png": _picture("PNG", pixels)},
            {"image.png": _picture("PNG", wide)},
            {"image.png": palette.getvalue()},
            {"image.tif": _picture("TIFF", pixels)},
            {"image.tif": _picture("TIFF", wide, compression="tiff_adobe_deflate")},
            {"image.tif": _picture("TIFF", color, compression="tiff_lzw")},
            {"image.tif": pages.getvalue()},
            {"image.jpg": _picture("JPEG", color)},
            {"image.bmp": _picture("BMP", pixels)},
        ]

    def _make_pictures(self) -> list[Files]:
        return [
            {
                f"{n}.{next(iter(files)).partition('.')[2]}": next(iter(files.values()))
                for n, files in enumerate(self.picture)
            }
        ]

    def _make_pairs(self) -> list[Files]:
        folder = write_pair_folder(self.folder / "pairs", num_patients=2, size=(64, 48))
        other = write_pair_folder(self.folder / "buildings", num_patients=2, size=(64, 48), layout="vaihingen")
        return [_content(folder), _content(other)]

    def _make_own_data(self) -> list[Files]:
        """COCO's polygons and run lengths, GeoJSON, a data list, and nnU-Net's folders with volumes."""
        mask = np.zeros((40, 48), dtype=np.uint8)
        mask[10:30, 12:36] = 1
        picture, label = io.BytesIO(), io.BytesIO()
        Image.fromarray(mask * 200 + 20).save(picture, format="PNG")
        Image.fromarray(mask + mask * (np.arange(48) > 20).astype(np.uint8)).save(label, format="PNG")
        square = [12, 10, 36, 10, 36, 30, 12, 30]
        runs = {"size": [40, 48], "counts": [490, *[20, 20] * 23, 20, 490]}
        coco = {
            "images": [{"id": 1, "file_name": "a.png", "height": 40, "width": 48}],
            "categories": [{"id": 1, "name": "cell"}],
            "annotations": [
                {"image_id": 1, "category_id": 1, "segmentation": each}
                for each in ([square], runs, runs | {"counts": "zA"})
            ],
        }
        ring = [[12, 10], [36, 10], [36, 30], [12, 10]]
        feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}
        pair = {"image": "a.png", "label": "b.png", "patient": "P1"}
        volumes = {}
        for name, values in (("imagesTr/a_0000", 50 * mask), ("labelsTr/a", mask)):
            image = nib.Nifti1Image(np.stack([values, values * 0], -1), np.diag([1.5, 1.5, 8, 1]))
            volumes[f"{name}.nii"] = image.to_bytes()
        pictures = {"a.png": picture.getvalue()}

        def document(content: object) -> bytes:
            return json.dumps(content).encode()

        return [
            pictures | {"instances.json": document(coco)},
            pictures | {"a.geojson": document({"type": "FeatureCollection", "features": [feature]})},
            pictures
            | {"b.png": label.getvalue(), "datalist.json": document({"training": [pair], "testing": ["a.png"]})},
            volumes | {"dataset.json": document({"labels": {"background": 0, "lesion": 1}})},
        ]

    def _make_inbreast(self) -> list[Files]:
        folder = write_inbreast_cases(self.folder / "inbreast", num_patients=1, size=(64, 48))
        for path in folder.rglob("*.dcm"):
            _identify(path, ImagerPixelSpacing=["0.2", "0.2"], PixelSpacing=["0.2", "0.2"])
        return [_content(folder)]

    def _make_plist(self) -> list[Files]:
        (files,) = self.inbreast
        return [{"outline.xml": content} for name, content in files.items() if name.endswith(".xml")]

    def _make_inbreast_table(self) -> list[Files]:
        (files,) = self.inbreast
        return [{"INbreast.csv": files["INbreast.csv"]}]

    def _make_mammogram(self) -> list[Files]:
        (files,) = self.inbreast
        return [{"mammogram.dcm": content} for name, content in files.items() if name.endswith(".dcm")][:2]

    def _make_ddsm(self) -> list[Files]:
        return [_content(write_ddsm_cases(self.folder / "ddsm", num_patients=2, size=(64, 48)))]

    def _make_ics(self) -> list[Files]:
        return [{"case.ics": content} for name, content in self.ddsm[0].items() if name.endswith(".ics")]

    def _make_overlay(self) -> list[Files]:
        return [{"film.OVERLAY": content} for name, content in self.ddsm[0].items() if name.endswith(".OVERLAY")]

    def _make_ljpeg(self) -> list[Files]:
        return [{"film.LJPEG": content} for name, content in self.ddsm[0].items() if name.endswith(".LJPEG")]

    def _make_cbis(self) -> list[Files]:
        folder = write_cbis_ddsm_cases(self.folder / "cbis", num_patients=2, size=(64, 48))
        for path in folder.rglob("*.dcm"):
            _identify(path)
        return [_content(folder)]

    def _make_sunnybrook(self) -> list[Files]:
        files = _content(self.heart)
        files["masks.csv"] = b"PatientID,OriginalID\nSCD0000101,SC-HF-I-1\n"
        return [files]

    def _make_split(self) -> list[Files]:
        return [
            {"split.csv": b"patient,group\nP1,training\nP2,test\nP3,validation\n"},
            {"split.csv": b"# training\nP1\nP2\nP3\n"},
        ]

    def _make_cityscapes(self) -> list[Files]:
        square = [10, 10, 29, 10, 29, 29, 10, 29]
        instances = [
            {"img": {"height": 64, "width": 128, "file_name": f"val/{name}"}, "segmentation": [square, square[:6]]}
            for name in ("a_1.png", "b_1.png")
        ]
        document = {"classes_names": ["car", "bus"], "data": {"car": instances, "bus": instances[:1]}}
        picture = _picture("PNG", np.zeros((64, 128), dtype=np.uint8))
        files = {"val/all_classes_instances.json": json.dumps(document).encode()}
        return [files | {f"val/images/{name}": picture for name in ("a_1.png", "b_1.png")}]

    def _make_hdf5(self) -> list[Files]:
        import h5py

        path = self.folder / "images.h5"
        with h5py.File(path, "w") as file:
            file["array"] = np.zeros((12, 10), dtype=np.uint8)
            file.create_dataset("packed", data=np.zeros((32, 30), np.uint8), chunks=(8, 8), compression="gzip")
            file["bytes"] = np.frombuffer(_picture("PNG", np.zeros((12, 10), dtype=np.uint8)), np.uint8)
        return [{"images.h5": path.read_bytes()}]

    def _make_bundle_folder(self) -> Path:
        """The Sunnybrook bundle with a tiny untrained network."""
        root = self.folder / "sunnybrook_lv_acdr"
        shutil.copytree(bundle_root("sunnybrook_lv_acdr") / "configs", root / "configs")
        path = root / "configs" / "inference.json"
        config = json.loads(path.read_text())
        config |= {
            "network_def#displacement_net#channels": [4, 8],
            "network_def#displacement_net#num_convs": 1,
            "roi_size": 32,
            "network_def#initial_contour#num_vertices": 16,
        }
        path.write_text(json.dumps(config))
        parser = ConfigParser()
        parser.read_config(str(path))
        parser["bundle_root"], parser["device"] = str(root), torch.device("cpu")  # no weights yet: one network
        torch.manual_seed(0)
        self._made["network"] = network = parser.get_parsed_content("network_def")
        save_checkpoint(network.state_dict(), root / "models" / "model.pt")
        return root

    def _make_bundle(self) -> list[Files]:
        return [_content(self.bundle_folder)]

    def _make_checkpoint(self) -> list[Files]:
        return [{"model.pt": (self.bundle_folder / "models" / "model.pt").read_bytes()}]


@contextmanager
def _fixed_uids() -> Iterator[None]:
    """The same UIDs in each process, so that a seed replays a case: mutated bytes depend on lengths."""
    numbers = itertools.count(1 << 126)
    with patch("uuid.uuid4", lambda: uuid.UUID(int=next(numbers))):
        yield


def _content(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _identify(path: Path, **values: Any) -> None:
    """Give a file the identity, and other values."""
    dataset = pydicom.dcmread(path)
    for keyword, value in {**IDENTITY, **values}.items():
        setattr(dataset, keyword, value)
    path.write_bytes(_saved(dataset))


def _saved(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def _group(keyword: str, **values: Any) -> Dataset:
    inner, outer = Dataset(), Dataset()
    for key, value in values.items():
        setattr(inner, key, value)
    setattr(outer, keyword, DicomSequence([inner]))
    return outer


def _picture(kind: str, pixels: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()
