# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies from and results to a DICOMweb server: QIDO-RS, WADO-RS and STOW-RS (PS3.18, 10.4 to 10.6)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from monai_acdr.dicom.elements import quiet_values
from monai_acdr.dicom.files import read_dataset
from monai_acdr.dicom.web_address import DicomWebError, check_uid, check_url, origin
from monai_acdr.dicom.web_session import MAX_INSTANCE_BYTES, explain, open_client
from monai_acdr.files import replace_folder

__all__ = ["MAX_INSTANCES", "DicomWeb", "RemoteSeries"]

MAX_INSTANCES = 20_000
"""Studies with more instances are refused."""
MAX_STUDY_BYTES = 1 << 35
"""Studies beyond this are refused."""

_NOT_IMAGES = frozenset(
    {"AU", "DOC", "KO", "PLAN", "PR", "REG", "RTDOSE", "RTPLAN", "RTRECORD", "RTSTRUCT", "SEG", "SR"}
)
_REASONS = {
    0x0110: "the server failed to process it",
    0x0111: "the server has it already",
    0x0122: "the server does not take this kind of object",
    0xA700: "the server has no room",
}
"""FailureReason, PS3.3 table C.4-13 and PS3.4 table B.2-1."""

_LONGEST_TEXT = 1024
"""Letters of a value that are looked at; UIDs and code strings have 64 at most."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteSeries:
    """A series on a server.

    Attributes:
        uid: SeriesInstanceUID.
        modality: such as MR; empty when the server does not tell it.
        num_instances: how many the server says it has, or None.
    """

    uid: str
    modality: str
    num_instances: int | None


class DicomWeb:
    """A DICOMweb service.

    Credentials come from ``MONAI_ACDR_DICOMWEB_USER`` and ``MONAI_ACDR_DICOMWEB_PASSWORD``, or from
    ``MONAI_ACDR_DICOMWEB_TOKEN`` (sent as a bearer token), or from the netrc file. Redirects are not followed.

    Args:
        url: its base URL, such as ``https://host/dicom-web``; no credentials in it.
        timeout: seconds to wait for a connection, and for each next piece of an answer.

    Raises:
        ImportError: without dicomweb-client.
        ValueError: for another kind of URL, time or credentials.
    """

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        if not 0 < timeout < float("inf"):
            raise ValueError(f"Expected `timeout` to be a positive number of seconds, but got {timeout}.")
        self.url = check_url(url)
        self._client, self._answers = open_client(self.url, timeout)

    def __repr__(self) -> str:
        return f"DicomWeb({self.url!r})"

    def find_series(self, study_uid: str, modality: str | None = None) -> list[RemoteSeries]:
        """Ask for the series of a study.

        Args:
            study_uid: StudyInstanceUID.
            modality: only series of this one, such as ``SEG``.

        Returns:
            By UID; empty when there is none.

        Raises:
            DicomWebError: when the server cannot be asked.
            ValueError: when `study_uid` is no UID.
        """
        check_uid(study_uid, "StudyInstanceUID")
        filters = {} if modality is None else {"Modality": modality}
        found = self._search("series", "0020000E", study_uid, search_filters=filters)
        series = [RemoteSeries(uid, _text(item, "00080060"), _count(item, "00201209")) for uid, item in found.items()]
        return sorted((one for one in series if modality in (None, one.modality)), key=lambda one: one.uid)

    def retrieve(
        self,
        study_uid: str,
        folder: str | os.PathLike[str],
        series_uid: str | None = None,
        images_only: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Path]:
        """Fetch a study, or one of its series, instance by instance.

        Everything is there in the end, or nothing: the folder appears, readable by its owner only, when all instances
        that the server lists have come, each whole and of the right study.

        Args:
            study_uid: StudyInstanceUID.
            folder: absent or empty; the folder that it lies in exists.
            series_uid: SeriesInstanceUID; by default all series.
            images_only: leave out earlier results: series of structure sets, segmentations, reports and the like.
            progress: called with the number of instances that are there and that of all.

        Returns:
            The files: numbers, by series and InstanceNumber.

        Raises:
            DicomWebError: when the server has no such study, or something comes that is not what it should be.
            FileExistsError: when the folder holds anything.
            OSError: when it cannot be written.
            ValueError: when a UID is none.
        """
        check_uid(study_uid, "StudyInstanceUID")
        if series_uid is not None:
            check_uid(series_uid, "SeriesInstanceUID")
        with replace_folder(folder) as temporary:
            keys, size = self._list(study_uid, series_uid, images_only), 0
            for number, (series, instance) in enumerate(keys, start=1):
                path = temporary / f"{number:05d}.dcm"
                self._fetch((study_uid, series, instance), path)
                size += path.stat().st_size
                if size > MAX_STUDY_BYTES:
                    raise DicomWebError(f"Expected a study of at most {MAX_STUDY_BYTES} bytes: fetch a series of it.")
                if progress is not None:
                    progress(number, len(keys))
        return sorted(Path(folder).iterdir())

    def store(
        self, paths: Iterable[str | os.PathLike[str]], progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Store files. All are read before the first is sent; each is confirmed by the server.

        Args:
            paths: DICOM files.
            progress: called with the number of files that are stored and that of all.

        Raises:
            DicomWebError: when not all were stored; it tells which were, by file name.
            OSError: when a file cannot be opened.
            ValueError: when a file is no DICOM file or too large.
        """
        files = {Path(path): _instance_uid(Path(path)) for path in paths}
        stored: list[str] = []
        refused: list[str] = []
        for number, (path, uid) in enumerate(files.items()):
            try:
                reason = self._send(path, uid)
            except DicomWebError as error:
                rest = [*refused, *(one.name for one in list(files)[number:])]
                raise DicomWebError(f"{_tally(stored, rest)} {error}") from None
            if reason is None:
                stored.append(path.name)
                if progress is not None:
                    progress(len(stored), len(files))
            else:
                refused.append(f"{path.name} ({reason})")
        if refused:
            raise DicomWebError(f"{_tally(stored, refused)} Look into the log of {origin(self.url)}.")

    def _list(self, study_uid: str, series_uid: str | None, images_only: bool) -> list[tuple[str, str]]:
        """(series, instance) to fetch, in order."""
        series = [one for one in self.find_series(study_uid) if series_uid in (None, one.uid)]
        wanted = [one for one in series if not images_only or one.modality not in _NOT_IMAGES]
        if not wanted:
            what = "this series in the study" if series_uid else "a study with this UID"
            kind = "that has images" if series else "that you may see"
            raise DicomWebError(f"Expected {what} on {origin(self.url)}, but it lists none {kind}: check the UIDs.")
        if len(wanted) < len(series):
            _logger.info("Left out %d series that hold no images.", len(series) - len(wanted))
        keys: list[tuple[str, str]] = []
        for one in wanted:
            found = self._search("instances", "00080018", study_uid, one.uid)
            if not found or (one.num_instances is not None and len(found) < one.num_instances):
                raise DicomWebError(
                    f"Expected {origin(self.url)} to list {one.num_instances or 'the'} instances of a series, but it "
                    f"lists {len(found)}: is it still receiving them? Try again."
                )
            keys += [
                (one.uid, uid) for uid in sorted(found, key=lambda uid: (_count(found[uid], "00200013") or 0, uid))
            ]
        if len(keys) > MAX_INSTANCES or len({uid for _, uid in keys}) < len(keys):
            raise DicomWebError(f"Expected at most {MAX_INSTANCES} instances, each once: fetch one series.")
        return keys

    def _search(self, level: str, tag: str, *uids: str, **options: Any) -> dict[str, dict[str, Any]]:
        """All results by their UID, which is the attribute `tag`; asked for page by page.

        A server may list less than it has, and say so in a warning (PS3.18 8.3.4.4): the rest must follow. Where it
        gives the same page again, it knows no offset: it is asked once more, for as many as we take.
        """
        found: dict[str, dict[str, Any]] = {}
        partial = asked_for_all = False
        while len(found) <= MAX_INSTANCES:
            pages = {"offset": len(found)} if found else {}
            if asked_for_all:
                pages = {"limit": MAX_INSTANCES + 1}
            with explain(self.url, f"a list of {level}"):
                page = getattr(self._client, f"search_for_{level}")(*uids, **pages, **options)
                items = {check_uid(_text(item, tag), "UID"): item for item in page}
            if items.keys() - found.keys():
                partial, asked_for_all = self._answers.partial, False
                found.update(items)
                continue
            partial = self._answers.partial or (partial and not (asked_for_all and items))
            if asked_for_all or not (items or partial):
                break
            asked_for_all = True
        if len(found) > MAX_INSTANCES:
            raise DicomWebError(f"Expected at most {MAX_INSTANCES} {level}, but {origin(self.url)} lists more.")
        if partial:
            raise DicomWebError(
                f"Expected all {level} from {origin(self.url)}, but it lists {len(found)}, says that there are more, "
                "and does not give them: raise the limit of results in its configuration."
            )
        return found

    def _fetch(self, uids: tuple[str, str, str], path: Path) -> None:
        with explain(self.url, "a DICOM instance"):
            dataset = self._client.retrieve_instance(*uids)
        try:
            with quiet_values():
                pydicom.dcmwrite(str(path), dataset)
            header = read_dataset(path, header_only=True)
        except OSError:
            raise
        except Exception as error:
            raise DicomWebError(
                f"Expected a DICOM instance, but {origin(self.url)} sent a broken one ({type(error).__name__}): "
                f"SOPInstanceUID {uids[2]}."
            ) from None
        got = tuple(str(header.get(f"{level}InstanceUID")) for level in ("Study", "Series", "SOP"))
        if got != uids:
            raise DicomWebError(
                f"Expected the instance {uids[2]} of the study, but {origin(self.url)} sent another one."
            )

    def _send(self, path: Path, uid: str) -> str | None:
        """Store one file; the reason when the server refuses it."""
        with quiet_values():
            dataset = pydicom.dcmread(path)
        with explain(self.url, "an answer to a store request"):
            answer = self._client.store_instances([dataset])
            for item in answer.get("FailedSOPSequence") or []:
                code = int(item.get("FailureReason") or 0) & 0xFFFF
                return _REASONS.get(code, f"failure reason {code:04X}")
            confirmed = [str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence") or []]
        return None if uid in confirmed else "the server did not confirm it"


def _instance_uid(path: Path) -> str:
    header: Dataset = read_dataset(path, header_only=True)
    if path.stat().st_size > MAX_INSTANCE_BYTES:
        raise ValueError(f"Expected {path} to have at most {MAX_INSTANCE_BYTES} bytes, but it has more.")
    if not header.get("SOPInstanceUID"):
        raise ValueError(f"Expected {path} to have a SOPInstanceUID: without it no server can store it.")
    return str(header.SOPInstanceUID)


def _tally(stored: list[str], missing: list[str]) -> str:
    done = f"{len(stored)} stored ({', '.join(stored)})" if stored else "none stored"
    return f"Expected {len(stored) + len(missing)} files to be stored, but {done}, not stored: {', '.join(missing)}."


def _text(item: dict[str, Any], tag: str) -> str:
    """First value of an attribute in the DICOM JSON model (PS3.18, F.2.2); empty where there is none."""
    attribute = item.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    value = values[0] if isinstance(values, list) and values else ""
    return str(value)[:_LONGEST_TEXT].strip() if isinstance(value, (str, int)) else ""


def _count(item: dict[str, Any], tag: str) -> int | None:
    text = _text(item, tag)
    return int(text) if text.isdecimal() and len(text) < 10 else None
