# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The log of a review: replayed after a kill, undone and done again, and hostile changes refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_acdr.apps.documents import ContourDocument, FrameContours
from monai_acdr.apps.review.state import LOG_NAME, Review, ReviewConflictError
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM

NAMES = ["a", "b", "c"]
SQUARE = np.array([[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0]])


def document() -> ContourDocument:
    frames = [
        FrameContours(name, (40, 40), (SQUARE + 1 / 3, 1.5 * SQUARE - 7.5), structures=(0, 1)) for name in NAMES[:2]
    ]
    return ContourDocument((LV_ENDOCARDIUM, LV_EPICARDIUM), tuple(frames))


def start(folder: Path, digest: str = "0" * 64) -> Review:
    folder.mkdir(exist_ok=True)
    return Review(document(), NAMES, [(40, 40)] * 3, [0, 1], folder, digest)


def contour(vertices: Any = SQUARE, structure: int = 0, generation: str = "SEMIAUTOMATIC") -> dict[str, Any]:
    return {
        "structure": structure,
        "vertices": np.asarray(vertices).ravel().tolist(),
        "hole": False,
        "generation": generation,
    }


def snapshot(review: Review) -> Any:
    contours = [[c.record() | {"original": c.original} for c in frame] for frame in review.contours]
    return contours, review.phases, review.seen, review.sequence, review.can_undo, review.can_redo, review.versions


def act(review: Review, generator: random.Random) -> None:
    """One of the things that a reader does."""
    actions: list[Callable[[], object]] = [
        lambda: review.set_contours(generator.randrange(3), [contour(SQUARE + generator.random())], "drag"),
        lambda: review.set_contours(generator.randrange(3), [], "delete"),
        lambda: review.set_contours(0, [c.record() for c in review.originals[0]], "restore"),
        lambda: review.set_phases(generator.randrange(3), None),
        lambda: review.set_seen(generator.randrange(3), generator.random() < 0.5),
        lambda: review.can_undo and review.undo(),
        lambda: review.can_undo and review.undo(),
        lambda: review.can_redo and review.redo(),
        lambda: review.note_version(review.versions + 1, "Reader"),
    ]
    generator.choice(actions)()


@pytest.mark.parametrize("seed", range(20))
def test_replaying_the_log_gives_the_same_contours_undo_and_redo(seed: int, tmp_path: Path) -> None:
    generator, review = random.Random(seed), start(tmp_path / "review")
    states = [snapshot(review)]
    for _ in range(25):
        act(review, generator)
        states.append(snapshot(review))
    again = start(tmp_path / "review")  # the first one was not closed: as after a kill
    assert snapshot(again) == states[-1]
    while again.can_undo:  # to the very beginning
        again.undo()
    assert again.contours == again.originals and again.phases == (None, None) and not again.seen
    while again.can_redo:
        again.redo()
    assert snapshot(again)[:3] == states[-1][:3] or states[-1][5]  # a redo that was open is done now, too
    review.close()
    again.close()


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_line_that_was_being_written_is_left_out(cut: int, tmp_path: Path) -> None:
    review = start(tmp_path / "review")
    review.set_contours(0, [contour()], "drag")
    kept = snapshot(review)
    review.set_contours(1, [contour()], "drag")
    review.close()
    path = tmp_path / "review" / LOG_NAME
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    again = start(tmp_path / "review")
    assert again.dropped and snapshot(again) == kept
    again.set_contours(1, [contour()], "drag")
    again.close()
    last = start(tmp_path / "review")
    assert not last.dropped and last.sequence == 2
    last.close()


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    review = start(tmp_path / "review")
    review.set_contours(0, [contour()], "drag")
    review.close()
    path = tmp_path / "review" / LOG_NAME
    lines = (b"{}\n", b"[1]\n", b"nonsense\n", b'{"do":"undo"}\n{"do":"undo"}\n', b'{"do":"drag","frame":"z"}\n')
    hostile = (b'{"do":"finish","version":1e999}\n', b"[" * 100_000 + b"\n")
    for line in (*lines, *hostile):
        before = path.read_bytes()
        path.write_bytes(before + line)
        with pytest.raises(ValueError, match=r"line [34] cannot be read .*: move the file away"):
            start(tmp_path / "review")
        path.write_bytes(before)


def test_a_log_of_other_contours_is_refused(tmp_path: Path) -> None:
    start(tmp_path / "review").close()
    with pytest.raises(ValueError, match="to be about these contours, but it is about others"):
        start(tmp_path / "review", "1" * 64)


def test_a_change_of_another_state_is_refused(tmp_path: Path) -> None:
    review = start(tmp_path / "review")
    review.set_contours(0, [contour()], "drag", 0)
    for change in (
        lambda: review.set_contours(0, [], "delete", 0),
        lambda: review.undo(0),
        lambda: review.set_phases(None, None, 2),
        lambda: review.set_seen(0, True, 7),
    ):
        with pytest.raises(ReviewConflictError, match="reload the page"):
            change()
    assert review.sequence == 1
    review.close()


@pytest.mark.parametrize(
    ("contours", "message"),
    [
        ("text", "a list of at most"),
        ([1], "a contour to be an object"),
        ([contour() | {"structure": 2}], "`structure` from 0 to 1"),
        ([contour() | {"structure": True}], "`structure` from 0 to 1"),
        ([contour() | {"generation": "GUESSED"}], "`generation` one of"),
        ([contour() | {"hole": 1}], "`hole` true or false"),
        ([contour([[0, 0], [1, 1]])], "at least 3 vertices"),
        ([contour() | {"vertices": [1, 2, 3, 4, 5, 6, 7]}], "at least 3 vertices"),
        ([contour() | {"vertices": [1, 2, 3, 4, 5, float("nan")]}], "finite numbers"),
        ([contour() | {"vertices": [1, 2, 3, 4, 5, 1e9]}], "finite numbers"),
        ([contour() | {"vertices": ["x"] * 6}], "finite numbers"),
        ([contour() | {"vertices": ["10", "10", "20", "10", "20", "20"]}], "finite numbers"),
        ([contour() | {"vertices": [10, 10, 20, 10, 20, "20"]}], "finite numbers"),
        ([contour() | {"vertices": [True, 10, 20, 10, 20, 20]}], "finite numbers"),
        ([contour() | {"vertices": [None, 10, 20, 10, 20, 20]}], "finite numbers"),
        ([contour() | {"vertices": [10, 10, 20, 10, 20, 10**400]}], "finite numbers"),
        ([contour() | {"vertices": "101020102020"}], "finite numbers"),
        ([contour() | {"vertices": [[1, 2], [3, 4], [5, 6]]}], "finite numbers"),
        ([contour(np.zeros((150_000, 2)))] * 2, "at most 200000 vertices"),
        ([contour()] * 1001, "at most 1000 contours"),
        ([contour(SQUARE[[0, 2, 1, 3]])], "does not cross or touch itself"),
        ([contour(SQUARE + 100)], "in the image, 40 x 40 pixels"),
        ([contour(np.zeros((4, 2)))], "encloses an area"),
    ],
)
def test_contours_that_cannot_be_are_refused_and_not_logged(contours: Any, message: str, tmp_path: Path) -> None:
    review = start(tmp_path / "review")
    before = (tmp_path / "review" / LOG_NAME).read_bytes()
    with pytest.raises(ValueError, match=message):
        review.set_contours(0, contours, "drag")
    assert (tmp_path / "review" / LOG_NAME).read_bytes() == before and not review.can_undo
    review.close()


def test_a_log_with_contours_and_phases_that_are_refused_now_is_read_whole(tmp_path: Path) -> None:
    """As earlier versions wrote it."""
    review = start(tmp_path / "review")
    review.set_contours(1, [contour()], "drag")
    review.close()
    path = tmp_path / "review" / LOG_NAME
    old = [
        {"do": "drag", "frame": "a", "contours": [contour(SQUARE[[0, 2, 1, 3]]), contour(SQUARE + 100, 1)]},
        {"do": "draw", "frame": "c", "contours": [contour(np.zeros((4, 2)))]},
        {"do": "phases", "end_diastole": 2, "end_systole": 2},
    ]
    with open(path, "a") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in old)
    again = start(tmp_path / "review")
    assert again.sequence == 4 and again.phases == (2, 2)
    assert [len(frame) for frame in again.contours] == [2, 1, 1]
    mended = [contour(SQUARE + 1), again.contours[0][1].record()]
    again.set_contours(0, mended, "drag")  # the other one is where it was
    for _ in range(5):
        again.undo()
    assert again.contours == again.originals
    again.close()


def test_how_contours_came_about(tmp_path: Path) -> None:
    review = start(tmp_path / "review")
    assert [review.generation(number) for number in (0, 1)] == ["AUTOMATIC", "AUTOMATIC"]
    review.set_contours(0, [c.record() for c in review.contours[0]], "drag")  # nothing was moved
    assert review.contours[0] is review.originals[0] and not review.changed
    review.set_contours(0, [contour(generation="AUTOMATIC"), review.contours[0][1].record()], "drag")
    assert review.contours[0][0].generation == "SEMIAUTOMATIC" and review.changed == [0]
    assert [review.generation(number) for number in (0, 1)] == ["SEMIAUTOMATIC", "AUTOMATIC"]
    review.set_contours(1, [review.contours[1][0].record()], "delete")
    assert review.generation(1) == "SEMIAUTOMATIC"  # one was taken away
    for index in (0, 1):
        review.set_contours(index, [contour(generation="MANUAL")], "draw")
    assert review.generation(0) == "MANUAL"
    review.close()


def test_the_log_is_on_the_disk_before_a_change_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    review = start(tmp_path / "review")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    before = (tmp_path / "review" / LOG_NAME).read_bytes()
    with pytest.raises(OSError, match="No space left on device"):
        review.set_contours(0, [contour()], "drag")
    assert (tmp_path / "review" / LOG_NAME).read_bytes() == before and review.sequence == 0 and not review.can_undo
    review.close()


def test_the_log_is_for_its_user_alone_and_names_no_patient(tmp_path: Path) -> None:
    review = start(tmp_path / "review")
    review.set_contours(0, [contour()], "drag")
    path = tmp_path / "review" / LOG_NAME
    assert path.stat().st_mode & 0o077 == 0
    head, line = map(json.loads, path.read_text().splitlines())
    assert set(head) == {"format", "version", "contours_sha256", "frames"}
    assert set(line) == {"do", "frame", "contours", "time"}
    review.close()
