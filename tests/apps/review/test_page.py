# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The review page in a real browser, Debian's Chromium: drags, undo, keys, Finish, and a server that is killed.

One browser and one study serve all tests, which run in their order. What the page computes is compared with the
functions of the package that have the same names.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image

from monai_acdr.apps import segment_study
from monai_acdr.apps.documents import ContourDocument, FrameContours, read_contour_document, write_contour_document
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.measurements import find_grid, measure_contours
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.review import server as review_server
from monai_acdr.apps.review import start_review
from monai_acdr.apps.study_files import find_series
from monai_acdr.dicom import BREAST_MASS, LV_ENDOCARDIUM, LV_EPICARDIUM, TISSUE, Algorithm, Region
from monai_acdr.geometry import circle, is_simple, perimeter, signed_area
from monai_acdr.inferers import drag_contours, push_contours
from monai_acdr.inferers.corrections import WIDTH, nearest_on_contour
from monai_acdr.measures import WallSlice, ventricle_wall

selenium = pytest.importorskip("selenium")

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
RADII = (18.0, 14.0, 10.0, 15.0)
"""Of the endocardium by phase, in the first slice."""


def _ring(radius: float, number: int = 32) -> np.ndarray:
    return circle(torch.tensor([56.0, 50.0], dtype=torch.float64), radius, number).numpy()


class Server:
    """`start_review` in a process of its own: forked, so that it need not import torch again."""

    def __init__(self, results: Path, study: Path, target: Any = start_review, **options: Any) -> None:
        self.results, self.study, self.target, self.options = results, study, target, options
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("fork")
        said = context.SimpleQueue()
        options = {"browser": False, "reader": "Doe^Jane", "say": said.put, **self.options}
        self.process = context.Process(target=self.target, args=(self.results, self.study), kwargs=options, daemon=True)
        self.process.start()
        self.address = said.get().removeprefix("Review: ")

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


class Page:
    """The page, by its own module and by events of the browser."""

    def __init__(self, driver: Any, server: Server) -> None:
        self.driver, self.server = driver, server
        self.open()

    @contextmanager
    def elsewhere(self, server: Server) -> Iterator[None]:
        """Show what another server has."""
        before, self.server = self.server, server
        try:
            self.open()
            yield
        finally:
            self.driver.get("about:blank")  # no request is under way when the server goes
            server.kill()
            self.server = before
            self.open()

    def text(self, name: str) -> str:
        return str(self.driver.find_element("id", name).text)

    def open(self) -> None:
        self.driver.get("about:blank")
        self.driver.get(self.server.address)
        self.wait(lambda: self.state("state") == "ready")

    def state(self, name: str) -> str:
        return str(self.driver.execute_script(f"return document.body.dataset.{name}"))

    def run(self, code: str, *arguments: Any) -> Any:
        """Run code with the module `m` of the page, and `c` of its contours."""
        script = (
            "const done = arguments[arguments.length - 1], a = [...arguments];"
            "Promise.all([import('/review.js'), import('/contours.js')])"
            f".then(async ([m, c]) => done([true, await (async () => {{ {code} }})()]))"
            ".catch((error) => done([false, String(error.stack)]));"
        )
        good, value = self.driver.execute_async_script(script, *arguments)
        assert good, value
        return value

    def wait(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"the page did not get there: {self.driver.find_element('id', 'status').text}")
            time.sleep(0.02)

    def saved(self, action: Callable[[], object], changes: int = 1) -> None:
        """Do something that changes contours, and wait until it is saved."""
        before = int(self.state("sequence"))
        action()
        self.wait(lambda: int(self.state("sequence")) == before + changes and self.state("pending") == "0")

    def keys(self, text: str) -> None:
        self.driver.switch_to.active_element.send_keys(text)

    def go(self, frame: int) -> None:
        script = (
            "document.querySelector('#thumbnails')"
            ".dispatchEvent(new MouseEvent('click', {clientX: a[0], clientY: a[1]}))"
        )
        slice_, phase = frame // 4, frame % 4
        box = self.driver.execute_script(
            "const b = document.querySelector('#grid').getBoundingClientRect(); return [b.left, b.top]"
        )
        self.run(script, box[0] + 68 * phase + 30, box[1] + 68 * slice_ + 30)
        self.wait(lambda: self.state("drawn") == str(frame))

    def contours(self) -> list[np.ndarray]:
        """Of the frame that is shown."""
        found = self.run("return m.page.study.frames[m.page.frame].contours.map((x) => [...x.vertices])")
        return [np.array(vertices).reshape(-1, 2) for vertices in found]

    def heart(self) -> dict[str, float]:
        return dict(self.run("const h = m.measures(); return {ef: h.ef, edv: h.edv, esv: h.esv, mass: h.mass}"))

    def drag(
        self,
        start: tuple[float, float],
        pull: tuple[float, float],
        held: Callable[[], object] | None = None,
        button: int = 0,
    ) -> None:
        """Press at a place of the image, move, look, and release."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        x, y, scale = self.run("return [...m.toScreen(a[0], a[1]), m.page.view.scale]", *start)
        builder = ActionBuilder(self.driver, duration=0)
        mouse = builder.pointer_action
        mouse.move_to_location(round(x), round(y)).pointer_down(button)
        for step in (0.2, 1.0):
            mouse.move_to_location(round(x + step * scale * pull[0]), round(y + step * scale * pull[1]))
            if held is not None:
                builder.perform()
                self.run("await new Promise(requestAnimationFrame)")  # movements between two pictures are one
                builder = ActionBuilder(self.driver, duration=0)
                mouse = builder.pointer_action
        if held is not None:
            held()
        mouse.pointer_up(button)
        builder.perform()


def write_rings(folder: Path, study: Path) -> Path:
    """Circles as contours of a study; those of frames 1 and 9 are doubtful."""
    sources = find_series(study)[0][0]
    grid = find_grid(read_inputs(study).frames)[0]
    assert grid is not None
    radii = [RADII[phase] - slice_ for slice_, phase in zip(grid.slice_index, grid.phase, strict=True)]
    regions = [
        Region(structure, tuple((_ring(radius + more),) for radius in radii))
        for structure, more in ((LV_ENDOCARDIUM, 0), (LV_EPICARDIUM, 5))
    ]
    document = ContourDocument.from_regions(regions, sources, Algorithm("a model", "1.0"))
    frames = [
        replace(frame, confidence=(0.3, 0.3), doubtful=(True, True)) if index in (1, 9) else frame
        for index, frame in enumerate(document.frames)
    ]
    write_contour_document(folder / "contours.json", replace(document, frames=tuple(frames)))
    return folder


@pytest.fixture(scope="module")
def server(study: Path, tmp_path_factory: pytest.TempPathFactory, nested_model: ContourModel) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(review_server, "load_model", lambda *arguments: nested_model)
        running = Server(write_rings(tmp_path_factory.mktemp("review") / "results", study), study)
        yield running
        running.kill()


@pytest.fixture(scope="module")
def page(server: Server, absent: Callable[[str], None]) -> Iterator[Page]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    if CHROMIUM is None or DRIVER is None:
        absent("There is no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1300,860"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(30)
    yield Page(driver, server)
    driver.quit()


def expected_heart(page: Page, contours: dict[int, list[np.ndarray]]) -> dict[str, float]:
    """The measures that the package has for the document with other contours in some frames."""
    inputs = read_inputs(page.server.study)
    document = read_contour_document(page.server.results / "contours.json")
    drawn = [contours.get(index, list(frame.contours)) for index, frame in enumerate(document.frames)]
    found = measure_contours(inputs.frames, drawn, document.structures, find_grid(inputs.frames)[0])
    assert found.volumes is not None and found.wall is not None
    return {
        "ef": found.volumes.ejection_fraction_percent,
        "edv": found.volumes.end_diastolic_volume_ml,
        "esv": found.volumes.end_systolic_volume_ml,
        "mass": found.wall.mass_g,
    }


def frame_contours(page: Page, frame: int) -> list[np.ndarray]:
    found = page.run("return m.page.study.frames[a[0]].contours.map((x) => [...x.vertices])", frame)
    return [np.array(vertices).reshape(-1, 2) for vertices in found]


def test_the_page_shows_the_study_and_the_measures(page: Page) -> None:
    assert page.heart() == pytest.approx(expected_heart(page, {}), rel=1e-9)
    assert page.driver.title == "Review" and "#" not in page.driver.current_url
    page.wait(lambda: page.state("sheets") == "1")
    page.go(5)
    assert "slice 2 of 3, phase 2 of 4" in page.driver.find_element("id", "place").text
    page.driver.execute_script(
        "document.querySelector('#view').dispatchEvent("
        "new WheelEvent('wheel', {deltaY: 100, bubbles: true, cancelable: true}))"
    )
    page.wait(lambda: page.state("drawn") == "9")
    page.keys("\ue012")  # arrow left
    page.wait(lambda: page.state("drawn") == "8")


def test_drags_in_the_browser_are_those_of_the_package(page: Page) -> None:
    generator = torch.Generator().manual_seed(3)
    cases, none = [], 0
    for _ in range(60):
        middle = torch.tensor([40.0, 30.0], dtype=torch.float64)
        rings = [
            middle
            + (circle(middle, radius, number) - middle)
            * (0.9 + 0.1 * torch.rand(number, 1, generator=generator, dtype=torch.float64))
            for radius, number in ((10.0, 24), (15.0, 31), (20.0, 40))
        ]
        index = int(torch.randint(0, 3, (1,), generator=generator))
        arc = float(perimeter(rings[index]) * torch.rand(1, generator=generator, dtype=torch.float64))
        pull = 9 * torch.randn(2, generator=generator, dtype=torch.float64)
        cases.append((rings, index, arc, pull, (1.0, 0.25, 2.0)[len(cases) % 3]))
    sent = [([r.ravel().tolist() for r in rings], i, arc, pull.tolist(), w) for rings, i, arc, pull, w in cases]
    found = page.run(
        "return a[0].map(([rings, index, arc, pull, reach]) =>"
        " c.dragContours(rings.map((r) => Float64Array.from(r)), index, arc, pull, true, reach)"
        "?.map((r) => [...r]) ?? null)",
        sent,
    )
    for (rings, index, arc, pull, reach), answer in zip(cases, found, strict=True):
        width = (reach * WIDTH[0], reach * WIDTH[1])
        expected = drag_contours(rings, index, arc, pull, nested=True, width=width)
        none += expected is None
        if expected is None or answer is None:
            assert expected is None and answer is None
            continue
        for vertices, own in zip(answer, expected, strict=True):
            assert vertices == pytest.approx(own.ravel().tolist(), abs=1e-7)
    assert none < 20
    tangled = [torch.rand(12, 2, generator=generator, dtype=torch.float64) for _ in range(20)]
    simple = page.run("return a[0].map((r) => c.isSimple(Float64Array.from(r)))", [t.ravel().tolist() for t in tangled])
    assert simple == [bool(is_simple(vertices)) for vertices in tangled]
    pair = [circle(torch.tensor([x, 30.0], dtype=torch.float64), 10.0, 24) for x in (30.0, 33.0)]
    pushed = page.run(
        "return c.pushContours(a[0].map((r) => Float64Array.from(r)), 1).map((r) => [...r])",
        [vertices.ravel().tolist() for vertices in pair],
    )
    for vertices, own in zip(pushed, push_contours(pair, 1) or [], strict=True):
        assert vertices == pytest.approx(own.ravel().tolist(), abs=1e-7)


def test_a_vertex_dragged_by_ten_pixels_changes_contour_and_measures_as_computed(page: Page) -> None:
    page.go(0)
    before = page.contours()
    vertex = before[0][4]
    page.run("m.page.chosen = 0")
    page.saved(lambda: page.drag(tuple(vertex), (10.0, 0.0)))
    after = page.contours()
    # the mouse moves by whole pixels of the screen
    x, y, scale = page.run("return [...m.toScreen(a[0], a[1]), m.page.view.scale]", *vertex.tolist())
    press = page.run("return m.toImage(a[0], a[1])", round(x), round(y))
    pull = [(round(x + 10 * scale) - round(x)) / scale, 0.0]
    arc = float(nearest_on_contour(torch.from_numpy(before[0]), torch.tensor([press])).arc[0])
    expected = drag_contours(list(map(torch.from_numpy, before)), 0, arc, torch.tensor(pull), nested=True)
    assert expected is not None
    for vertices, own in zip(after, expected, strict=True):
        assert vertices == pytest.approx(own.numpy(), abs=1e-3)
    assert abs(np.hypot(*(after[0] - vertex - [10, 0]).T).min()) < 0.5
    assert page.heart() == pytest.approx(expected_heart(page, {0: after}), rel=1e-9)
    assert page.heart()["ef"] != pytest.approx(expected_heart(page, {})["ef"], abs=0.1)


def test_a_killed_server_lost_nothing(page: Page) -> None:
    contours, heart = page.contours(), page.heart()
    page.server.kill()
    page.keys("x")
    page.wait(lambda: page.driver.find_element("id", "message").is_displayed())
    assert "does not answer" in page.driver.find_element("id", "message-text").text
    page.server.start()
    page.open()
    page.go(0)
    assert all(np.array_equal(one, other) for one, other in zip(page.contours(), contours, strict=True))
    assert page.heart() == pytest.approx(heart, rel=1e-12) and page.driver.find_element("id", "undo").is_enabled()


def test_undo_and_redo(page: Page) -> None:
    after = page.contours()
    page.saved(lambda: page.keys("z"))
    document = read_contour_document(page.server.results / "contours.json")
    assert all(np.array_equal(a, b) for a, b in zip(page.contours(), document.frames[0].contours, strict=True))
    assert page.heart() == pytest.approx(expected_heart(page, {}), rel=1e-9)
    assert not page.driver.find_element("id", "undo").is_enabled()
    page.saved(lambda: page.driver.find_element("id", "redo").click())
    assert all(np.array_equal(a, b) for a, b in zip(page.contours(), after, strict=True))


def test_every_control_by_keyboard(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    page.go(4)
    number = len(page.contours()[0])
    page.keys("e" + Keys.ARROW_RIGHT * 3 + Keys.ARROW_DOWN)  # a vertex, by 3 and 1 pixels
    page.saved(lambda: page.keys(Keys.ENTER))
    assert len(page.contours()[0]) > number
    assert np.hypot(*(page.contours()[0] - (_ring(17.0)[0] + [3, 1])).T).min() < 1e-3
    page.saved(lambda: page.keys("r"))
    page.keys("s")
    assert page.run("return m.page.chosen") == 1
    page.saved(lambda: page.keys(Keys.DELETE))
    assert len(page.contours()) == 1
    page.saved(lambda: page.keys("we" + Keys.ENTER))  # a new one in place of the epicardium
    assert len(page.contours()) == 2
    page.saved(lambda: page.keys("r"))
    page.saved(lambda: page.keys("ce" + Keys.ARROW_RIGHT * 2 + Keys.ENTER))  # a click beside the contour
    page.saved(lambda: page.keys("dk"))
    page.wait(lambda: page.state("drawn") == "5")
    copied = page.run("return [...m.page.study.frames[4].contours[0].vertices]")
    assert page.contours()[0].ravel().tolist() == copied
    page.saved(lambda: page.keys("x"))
    assert page.driver.find_element("id", "seen").is_selected()
    page.saved(lambda: page.keys("2"))
    assert page.run("return m.measures().es") == 1
    page.saved(lambda: page.keys("3"))
    before = page.run("return [m.page.view.scale, m.page.view.x]")
    page.keys("+" + Keys.SHIFT + Keys.ARROW_LEFT + Keys.NULL)
    after = page.run("return [m.page.view.scale, m.page.view.x]")
    assert after[0] > before[0] and after[1] != before[1]
    page.keys("]{")
    assert page.run("return m.page.ownWindow.length") == 2
    page.keys("b")
    assert page.driver.find_element("id", "pane-before").is_displayed()
    page.keys("b?")
    assert page.driver.find_element("id", "help").is_displayed()
    page.driver.find_element("id", "help-close").send_keys(Keys.ENTER)
    frame = page.state("frame")
    page.keys(" ")
    page.wait(lambda: page.state("frame") != frame)  # it plays
    page.keys(" ")
    page.saved(lambda: page.driver.find_element("id", "undo").send_keys(Keys.ENTER))
    names = page.driver.execute_script(
        "return [...document.querySelectorAll('button, input')].filter((n) =>"
        " n.tabIndex < 0 || !(n.textContent || n.labels?.length || n.title)).length"
    )
    assert names == 0  # all of them can be reached, and have names


PROBE = """
const { page } = m, { held, view } = page, $ = (id) => document.getElementById(id);
return {
  frame: page.frame, tool: page.tool, chosen: page.chosen, reach: page.reach, saved: page.state.sequence,
  number: page.study.frames[page.frame].contours.length, seen: $('seen').checked, window: String(page.ownWindow),
  scale: view.scale, x: view.x, y: view.y, whole: Boolean(page.wholeView), compare: page.compare,
  playing: page.playing !== null, vertex: held && held.vertex, pull: held && String(held.pull),
  help: $('help').open, refusal: $('refusal').hidden, focus: document.activeElement.id,
};
"""
"""What keys and buttons change."""


def test_every_key_and_every_button_has_its_effect_by_keyboard(page: Page) -> None:
    """A key or a button that is new, and not here, fails."""
    from selenium.webdriver.common.keys import Keys

    def press(keys: str, field: str, element: Any = None) -> None:
        before = page.run(PROBE)
        (element or page.driver.switch_to.active_element).send_keys(keys)
        page.wait(lambda: page.run(PROBE)[field] != before[field] and page.state("pending") == "0", 10)

    page.go(5)
    page.run("m.page.chosen = 0; document.activeElement.blur()")
    known = set(page.run("return Object.keys(m.KEYS)"))
    names = {"\ue012": "ArrowLeft", "\ue013": "ArrowUp", "\ue014": "ArrowRight", "\ue015": "ArrowDown"}
    names |= {Keys.DELETE: "Delete", Keys.BACKSPACE: "Backspace", Keys.ESCAPE: "Escape"}
    steps = [
        *((key, "frame") for key in ("\ue014", "\ue012", "\ue015", "\ue013")),
        *((key, "tool") for key in "cwd"),
        *((key, "window") for key in "[]{}"),
        *((key, "scale") for key in "+-="),
        *((key, "reach") for key in "<>"),
        *((" ", "playing"), (" ", "playing"), ("n", "frame"), ("n", "frame"), ("p", "frame"), ("0", "whole")),
        *(("x", "seen"), ("s", "chosen"), (Keys.DELETE, "number"), ("r", "number"), (Keys.BACKSPACE, "number")),
        *(("z", "number"), ("y", "number"), ("z", "number"), ("b", "compare"), ("b", "compare"), ("o", "saved")),
        *(("k", "frame"), ("1", "saved"), ("1", "saved"), ("2", "refusal"), (Keys.ESCAPE, "refusal"), ("3", "saved")),
        *(("2", "saved"), ("3", "saved"), ("e", "vertex"), (".", "vertex"), (",", "vertex"), ("\ue012", "pull")),
        *((Keys.SHIFT + "\ue015" + Keys.NULL, "pull"), (Keys.ESCAPE, "vertex"), ("e", "vertex"), ("\ue014", "pull")),
        *((Keys.ENTER, "saved"), (Keys.CONTROL + "z" + Keys.NULL, "saved"), (Keys.CONTROL + "y" + Keys.NULL, "saved")),
        *((Keys.CONTROL + Keys.SHIFT + "z" + Keys.NULL, "refusal"), (Keys.ESCAPE, "refusal"), ("z", "saved")),
        *((Keys.SHIFT + "\ue012" + Keys.NULL, "x"), (Keys.SHIFT + "\ue013" + Keys.NULL, "y"), ("f", "focus")),
    ]
    for key, field in steps:
        press(key, field)
    pressed = {names.get(key, key) for key, _ in steps} | {"?"}
    assert pressed >= known, known - pressed

    page.driver.execute_script("document.activeElement.blur()")
    press("?", "help")
    press(Keys.ENTER, "help")
    buttons = {
        **{"tool-click": "tool", "tool-draw": "tool", "tool-drag": "tool", "select": "chosen", "delete": "number"},
        **{"undo": "number", "redo": "number", "restore": "number", "outline": "saved", "copy": "frame"},
        **{
            "compare": "compare",
            "set-ed": "saved",
            "set-es": "refusal",
            "refusal-close": "refusal",
            "set-auto": "saved",
        },
        **{"next-doubt": "frame", "previous-doubt": "frame", "help-open": "help", "help-close": "help"},
    }
    for name, field in buttons.items():
        press(Keys.ENTER, field, page.driver.find_element("id", name))
    press("+", "scale")
    press(Keys.ENTER, "scale", page.driver.find_element("id", "fit"))
    for _ in range(2):
        press(Keys.ENTER, "playing", page.driver.find_element("id", "play"))
    press(" ", "seen", page.driver.find_element("id", "seen"))
    for place, item in enumerate(page.driver.find_elements("css selector", "#doubts button")):
        item.send_keys(Keys.ENTER)
        page.wait(lambda place=place: page.run("return m.page.frame === m.page.doubts[a[0]].index", place))
    elsewhere = {"finish", "reader", "message-close", "take-over"}  # in the tests below
    found = page.driver.execute_script("return [...document.querySelectorAll('button, input')].map((n) => n.id)")
    assert {name for name in found if name} == buttons.keys() | {"fit", "play", "seen"} | elsewhere
    for frame in page.run("return m.page.study.frames.flatMap((f, i) => f.changed && i !== 0 ? [i] : [])"):
        page.go(frame)
        page.saved(lambda: page.keys("r"))


def test_the_mouse_pans_zooms_and_sets_the_window(page: Page) -> None:
    page.go(6)
    page.keys("d")
    event = "new WheelEvent('wheel', {bubbles: true, cancelable: true, ...a[0]})"
    wheel = f"document.querySelector('#view').dispatchEvent({event})"
    where = [round(value) for value in page.run("return m.toScreen(20, 20)")]  # beside the contours
    before = page.run("return {...m.page.view, window: m.page.ownWindow ?? [0, 0]}")
    page.drag((20.0, 20.0), (10.0, 5.0))
    view = page.run("return m.page.view")
    moved = [view["x"] - before["x"], view["y"] - before["y"]]
    assert moved == pytest.approx([10 * before["scale"], 5 * before["scale"]], abs=1)
    place = page.run("return m.toImage(a[0], a[1])", *where)
    page.run(wheel, {"deltaY": -300, "ctrlKey": True, "clientX": where[0], "clientY": where[1]})
    assert page.run("return m.page.view.scale") == pytest.approx(before["scale"] * np.e, rel=1e-6)
    assert page.run("return m.toImage(a[0], a[1])", *where) == pytest.approx(place, abs=1e-6)  # what is under the mouse
    page.run("m.page.ownWindow = [100, 300]")
    page.drag(tuple(place), (0.0, 4.0), button=2)
    low, high = page.run("return m.page.ownWindow")
    assert high - low == pytest.approx(200) and (low + high) / 2 < 200  # up is darker, down is brighter
    page.driver.find_element("id", "fit").click()
    page.run("m.page.ownWindow = null")

    def turn() -> None:
        page.run(wheel, {"deltaY": 100})
        assert page.run("return m.page.reach") == pytest.approx(0.8)
        pulls.append(page.run("return m.page.drag.pull"))  # the mouse moves by whole pixels of the screen

    pulls: list[list[float]] = []
    vertex = page.contours()[0][0]
    page.saved(lambda: page.drag(tuple(vertex), (3.0, 0.0), turn))
    ring, pull = torch.from_numpy(_ring(9.0)), torch.tensor(pulls[0], dtype=torch.float64)
    narrow, wide = (drag_contours([ring], 0, 0.0, pull, width=(r * WIDTH[0], r * WIDTH[1])) for r in (0.8, 1.0))
    assert narrow is not None and wide is not None
    areas = [
        abs(float(signed_area(vertices))) for vertices in (narrow[0], wide[0], torch.from_numpy(page.contours()[0]))
    ]
    assert areas[2] == pytest.approx(areas[0], abs=0.2 * (areas[1] - areas[0]))
    page.keys(">z")
    page.wait(lambda: page.state("pending") == "0")


def test_a_drag_stops_before_a_contour_crosses_itself(page: Page) -> None:
    page.go(6)
    before, words = page.contours()[0], []
    page.run("m.page.chosen = 0")
    changes = "return performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/api/change')).length"
    page.run("performance.clearResourceTimings()")  # the browser keeps 250
    asked = page.driver.execute_script(changes)

    def look() -> None:
        words.append(page.text("status"))
        stopped = "return document.querySelector('#pane svg').classList.contains('stopped')"
        assert page.driver.execute_script(stopped)
        assert page.driver.execute_script(changes) == asked  # a drag asks the server for nothing until it ends

    page.saved(lambda: page.drag(tuple(before[0]), (-40.0, 0.0), look))  # through the whole ring
    assert words == ["No farther that way: a contour would cross itself"]
    assert page.driver.execute_script(changes) == asked + 1
    after = page.contours()[0]
    assert is_simple(torch.from_numpy(after)) and len(after) > len(before)
    assert not page.driver.execute_script("return document.querySelector('#pane svg.stopped') !== null")
    page.saved(lambda: page.keys("z"))

    def lose() -> None:  # the button was let go where the page did not see it, and the mouse comes back
        page.run("document.querySelector('#pane svg').dispatchEvent(new PointerEvent('pointermove', {buttons: 0}))")
        assert page.run("return m.page.drag") is None

    page.saved(lambda: page.drag(tuple(before[0]), (3.0, 0.0), lose))
    assert page.contours()[0][:, 0].max() == pytest.approx(before[0, 0] + 3, abs=0.3)
    page.saved(lambda: page.keys("z"))


def test_what_the_server_refuses_is_shown_and_what_was_drawn_before_is_kept(page: Page) -> None:
    page.go(7)
    page.saved(lambda: page.drag(tuple(page.contours()[0][8]), (0.0, 4.0)))
    drawn, heart, sequence = page.contours(), page.heart(), page.state("sequence")
    assert heart == pytest.approx(expected_heart(page, {0: frame_contours(page, 0), 7: drawn}), rel=1e-9)

    def refused(action: Callable[[], object], words: str) -> None:
        action()
        page.wait(lambda: words in page.text("refusal") and page.state("pending") == "0")
        assert all(np.array_equal(one, other) for one, other in zip(page.contours(), drawn, strict=True))
        assert page.heart() == pytest.approx(heart, rel=1e-12) and page.state("sequence") == sequence
        assert page.run("return m.measures().ef") == pytest.approx(heart["ef"]) and page.text("status") == "Not saved"

    page.keys("0-----w")
    refused(lambda: page.drag((-25.0, -25.0), (0.0, 8.0)), "Expected a contour in the image, 112 x 100 pixels")
    page.driver.find_element("id", "refusal-close").click()
    assert not page.driver.find_element("id", "refusal").is_displayed()
    vertices = "const v = m.page.study.frames[7].contours[0].vertices;"
    for damage, words in (
        ("[v[0], v[32]] = [v[32], v[0]];", "does not cross or touch itself"),
        ("v.fill(50);", "encloses an area"),
    ):
        code = f"{vertices} {damage} m.commit(m.page.study.frames[7].contours, 'drag');"
        refused(lambda code=code: page.run(code), words)
    page.keys("d12")  # the second choice is refused, whatever the server has answered to the first one by then
    page.wait(lambda: "Expected two different phases, but phase 4" in page.text("refusal"))
    assert page.run("return m.page.state.phases") == [3, None]
    heart, sequence = page.heart(), page.state("sequence")
    refused(lambda: page.keys("2"), "Expected two different phases, but phase 4")
    page.saved(lambda: page.keys("3"))
    assert not page.driver.find_element("id", "refusal").is_displayed()  # gone with the next change
    for _ in range(3):
        page.saved(lambda: page.keys("z"))
    page.keys("0")


def test_changes_follow_each_other_while_the_server_is_at_work(page: Page) -> None:
    """Two drags at once keep both; nothing is drawn on contours that the network is about to replace."""
    page.go(8)
    before = page.contours()[0]
    code = """
      for (const pull of [[3, 0], [0, 3]]) {
        const c = m.page.study.frames[8].contours;
        m.commit(m.dragged(c, 0, c[0].vertices.length / 8, pull), 'drag');
      }
      return m.page.study.frames[8].contours[0].vertices.length"""
    lengths: list[int] = []
    page.saved(lambda: lengths.append(page.run(code)), 2)
    assert 2 * len(page.contours()[0]) == lengths[0] > 2 * len(before)
    both = page.contours()
    page.saved(lambda: page.run("m.outlineAgain(); m.commit([], 'delete')"))
    assert len(page.contours()) == 2 and page.contours()[0].shape == (32, 2)  # outlined, and not deleted
    page.saved(lambda: page.keys("z"))
    assert all(np.array_equal(one, other) for one, other in zip(page.contours(), both, strict=True))
    page.saved(lambda: page.keys("z"))
    page.saved(lambda: page.keys("z"))


def test_a_frame_without_contours_is_outlined_about_a_click(page: Page) -> None:
    page.go(10)
    page.saved(lambda: page.keys("\ue017"))
    page.saved(lambda: page.keys("\ue017"))
    page.keys("o")
    assert "click in the middle of what is to be outlined" in page.text("status")
    page.saved(lambda: page.drag((50.0, 40.0), (0.0, 0.0)))
    middles = [ring.mean(0) for ring in page.contours()]
    assert middles == [pytest.approx([50, 40], abs=0.5)] * 2
    page.saved(lambda: page.keys("dr"))


def test_finish_writes_what_the_page_shows(page: Page) -> None:
    page.go(0)
    shown, heart = page.contours(), page.heart()
    page.keys("f")
    page.saved(lambda: page.keys("\n"))
    page.wait(lambda: page.state("version") == "1")
    version = page.server.results / "review" / "version-0001"
    record = json.loads((version / "review.json").read_text())
    assert record["volumes"]["ejection_fraction_percent"] == pytest.approx(heart["ef"], rel=1e-9)
    assert record["wall"]["mass_g"] == pytest.approx(heart["mass"], rel=1e-9)
    (incomplete,) = [each["text"] for each in record["findings"] if each["kind"] == "incomplete_stack"]
    assert incomplete[1:] in page.text("heart-notes") and "slice 3 of 3, the last one toward the apex" in incomplete
    first = read_contour_document(version / "contours.json").frames[0]
    assert all(np.array_equal(one, other) for one, other in zip(first.contours, shown, strict=True))
    source = find_series(page.server.study)[0][0][0]
    seg = highdicom.seg.segread(version / "seg.dcm")
    assert [seg.get_segment_description(n).algorithm_type.value for n in (1, 2)] == ["SEMIAUTOMATIC"] * 2
    masks = seg.get_pixels_by_source_instance([source.key[0]], assert_missing_frames_are_empty=True)
    area = float(masks[0, ..., 0].sum())
    polygon = shown[0]
    shoelace = 0.5 * abs(
        float(np.sum(polygon[:, 0] * np.roll(polygon[:, 1], -1) - polygon[:, 1] * np.roll(polygon[:, 0], -1)))
    )
    assert area == pytest.approx(shoelace, rel=0.03)
    rtstruct = pydicom.dcmread(version / "rtstruct.dcm")
    drawn = [
        item
        for item in rtstruct.ROIContourSequence[0].ContourSequence
        if item.ContourImageSequence[0].ReferencedSOPInstanceUID == source.key[0]
    ]
    points = np.array(drawn[0].ContourData, dtype=np.float64).reshape(-1, 3)
    assert points == pytest.approx(source.to_world(polygon), abs=1e-3)
    assert str(rtstruct.ReviewerName) == "Doe^Jane"


def test_the_mass_is_that_of_the_package_where_contours_are_missing(page: Page) -> None:
    """Of cones with the base at either end; an epicardium alone is muscle at the apex only."""
    random, positions, cases, expected = np.random.default_rng(0), [0.0, 9.0, 20.0, 30.0, 38.0], [], []
    while len(cases) < 40:
        inner = np.array([900.0, 800, 600, 300, 60]) * random.uniform(0.9, 1.1, 5)
        table = np.stack([inner, inner + random.uniform(300, 900, 5)])[:, :: 1 if len(cases) % 2 else -1]
        table[random.random(table.shape) < 0.25] = np.nan
        walls = [
            WallSlice(z, *(None if np.isnan(area) else float(area) for area in column))
            for z, column in zip(positions, table.T, strict=True)
        ]
        if not np.isfinite(table[0]).sum() >= 2:
            continue
        try:
            expected.append(ventricle_wall(walls, positions).mass_g)
        except ValueError:
            expected.append(None)
        whole = [(wall.endocardium_area_mm2, wall.epicardium_area_mm2) for wall in walls]
        entries = [
            {"slice": number, "phase": phase, "inner": share * inner if inner is not None else None, "outer": outer}
            for phase, share in ((0, 1.0), (1, 0.5))
            for number, (inner, outer) in enumerate(whole)
        ]
        cases.append(entries)
    grid = {"positions": positions, "missing": []}
    run = "return a[1].map((entries) => c.heartMeasures(a[0], entries, {ed: null, es: null}).mass)"
    assert page.run(run, grid, cases) == [None if mass is None else pytest.approx(mass) for mass in expected]


def test_a_phase_without_images_of_the_base_is_not_end_systole(page: Page, study: Path, tmp_path: Path) -> None:
    """Live figures are those that Finish writes, where a phase lacks the image of an outer slice."""
    own = Path(shutil.copytree(study, tmp_path / "study"))
    os.remove(find_series(own)[0][0][2].path)  # first slice, phase 3 of 4, which has the smallest volume
    server = Server(write_rings(tmp_path / "results", own), own)
    with page.elsewhere(server):
        grid = find_grid(read_inputs(own).frames)[0]
        assert grid is not None and grid.missing_frames == ((0, 2),)
        assert page.run("return m.measures().es") == 1
        heart = page.heart()
        assert heart == pytest.approx(expected_heart(page, {}), rel=1e-9)
        areas = [[np.pi * (RADII[phase] - slice_) ** 2 for slice_ in range(3)] for phase in (0, 1)]
        assert heart["ef"] == pytest.approx(100 * (1 - sum(areas[1]) / sum(areas[0])), abs=0.01)  # by hand
        assert "images of outer slices are missing: phase 3" in page.text("heart-notes")
        while page.run("return m.page.study.frames[m.page.frame].phase") != 2:
            page.keys("\ue014")
        page.keys("2")
        page.wait(lambda: "phase 3 of 4 has none of slice 1 of " in page.text("refusal"))
        assert page.heart() == heart
        page.driver.find_element("id", "finish").click()
        page.wait(lambda: page.state("version") == "1")
        record = json.loads((server.results / "review" / "version-0001" / "review.json").read_text())
        assert record["volumes"]["ejection_fraction_percent"] == pytest.approx(heart["ef"], rel=1e-9)
        assert record["volumes"]["end_systole_phase"] == 1
        assert record["wall"]["mass_g"] == pytest.approx(heart["mass"], rel=1e-9)
        assert [each["kind"] for each in record["findings"]].count("unseen_slice") == 1
        assert "finding" in page.text("written")


def test_a_folder_of_pictures_with_several_contours_each(page: Page, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (80, 60), (200, 100, 30)).save(pictures / "one.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)).save(pictures / "two.png")
    rings = [circle(torch.tensor([x, 30.0], dtype=torch.float64), 9.0, 16).numpy() for x in (20.0, 55.0)]
    frames = tuple(FrameContours(name, (60, 80), tuple(rings)) for name in ("one", "two"))
    (tmp_path / "results").mkdir()
    write_contour_document(tmp_path / "results" / "contours.json", ContourDocument((TISSUE,), frames))
    with page.elsewhere(Server(tmp_path / "results", pictures)):
        assert page.driver.find_element("id", "single").is_displayed()
        assert not page.driver.find_element("id", "heart").is_displayed()
        page.wait(lambda: page.state("drawn") == "1")
        assert len(page.driver.find_elements("css selector", "#pane path.contour")) == 2
        page.saved(lambda: page.drag(tuple(rings[1][0]), (6.0, 0.0)))
        first, second = page.contours()
        assert np.array_equal(first, np.round(rings[0], 4)) and second[:, 0].max() == pytest.approx(70, abs=0.5)
        page.keys("w")
        page.saved(lambda: page.drag((40.0, 12.0), (0.0, 6.0)))
        assert len(page.contours()) == 3 and page.text("areas").count("px²") == 3
        page.keys("1")
        assert "in a cine of the left ventricle" in page.text("status")
        page.keys("\ue012")
        page.wait(lambda: page.state("drawn") == "0")
        middle = "const k = document.querySelector('#pane canvas'), [x, y] = [k.width / 2, k.height / 2];"
        pixel = page.run(middle + "return [...k.getContext('2d').getImageData(x, y, 1, 1).data]")
        assert pixel == [200, 100, 30, 255]
        page.driver.find_element("id", "finish").click()
        page.wait(lambda: page.state("version") == "1")
        written = read_contour_document(tmp_path / "results" / "review" / "version-0001" / "contours.json")
        assert [len(frame.contours) for frame in written.frames] == [2, 3]
        assert np.array_equal(written.frames[1].contours[1], second)


class Archive:
    """In place of a DICOMweb server: keeps the names of what it is sent beside the files."""

    def __init__(self, url: str) -> None:
        assert url == "https://host/dicom-web"

    def store(self, paths: list[Path]) -> None:
        (paths[0].parent.parent / "sent.json").write_text(json.dumps([path.name for path in paths]))


def test_a_mammogram_with_two_masses_is_corrected_and_sent(
    page: Page, mammogram: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_study, "DicomWeb", Archive)
    sources = find_series(mammogram)[0][0]
    height, width = sources[0].size
    middle = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    rings = [circle(middle + shift, 12.0, 24).numpy() for shift in (-25, 25)]
    document = ContourDocument.from_regions([Region(BREAST_MASS, (tuple(rings),))], sources)
    write_contour_document(tmp_path / "results" / "contours.json", document)
    with page.elsewhere(Server(tmp_path / "results", mammogram, store="https://host/dicom-web")):
        assert len(page.driver.find_elements("css selector", "#pane path.contour")) == 2
        assert page.text("finish") == "Finish and send" and page.text("areas").count("mm²") == 2
        page.saved(lambda: page.drag(tuple(rings[1][0]), (5.0, 0.0)))
        assert np.array_equal(page.contours()[0], np.round(rings[0], 4))
        page.driver.find_element("id", "finish").click()
        page.wait(lambda: page.state("version") == "1")
        assert "2 sent" in page.text("written") and "mammograms do" in page.text("written")  # have no RTSTRUCT
        review = tmp_path / "results" / "review"
        assert json.loads((review / "sent.json").read_text()) == ["seg.dcm", "sr.dcm"]
        seg = highdicom.seg.segread(review / "version-0001" / "seg.dcm")
        areas = [abs(float(signed_area(torch.from_numpy(ring)))) for ring in page.contours()]
        assert areas[1] > areas[0] + 10 and int(seg.pixel_array.sum()) == pytest.approx(sum(areas), rel=0.02)


def test_ten_thousand_frames_and_twenty_thousand_vertices_do_not_hang_the_page(
    page: Page, large_review: Callable[[Path], Any], tmp_path: Path
) -> None:
    with page.elsewhere(Server(tmp_path, tmp_path, target=serve_large, made=large_review)):
        assert len(page.run("return m.page.study.frames.map((f) => f.phase)")) == 10_000
        assert page.run("return m.timings.open") < 20_000
        assert page.run("return m.page.frame") == 5000 and len(page.contours()[0]) == 20_000
        x, y = page.contours()[0][0]
        page.saved(lambda: page.drag((x, y), (4.0, 0.0)))
        (dragged,) = page.contours()
        assert len(dragged) >= 20_000 and dragged[:, 0].max() == pytest.approx(x + 4, abs=0.3)
        page.keys("c")
        page.drag((x + 8, y), (0.0, 0.0))
        page.wait(lambda: "drag it" in page.text("refusal"))  # a click compares all pairs of edges
        page.saved(lambda: page.keys("z"))
        page.run("document.querySelector('#grid').scrollTo(1e9, 1e9)")
        page.wait(lambda: page.run("return m.page.study.frames[9999].contours?.length") == 1)  # the last packet


def serve_large(results: Path, study: Path, *, made: Callable[[Path], Any], say: Any, **options: Any) -> None:
    """Serve a study that is in memory alone."""
    chosen = review_server.ReviewOptions(browser=False)
    review, large = made(results)
    session = review_server.ReviewSession(review, large, results, chosen)
    review_server._serve(review_server._require_server(), session, review_server._listen(chosen), say)


def test_a_second_window_is_refused_and_may_take_over(page: Page) -> None:
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("window")
    page.driver.get(page.server.address)
    page.wait(lambda: page.state("state") == "refused")
    assert "open in another window" in page.driver.find_element("id", "message-text").text
    page.driver.find_element("id", "take-over").send_keys("\ue007")
    page.wait(lambda: page.state("state") == "ready")
    page.driver.switch_to.window(first)
    page.keys("x")
    page.wait(lambda: "taken over" in page.driver.find_element("id", "message-text").text)
    page.driver.find_element("id", "message-close").send_keys("\ue007")
    assert not page.driver.find_element("id", "message").is_displayed()


def test_the_browser_reported_no_error(page: Page) -> None:
    """Above all none of the content security policy."""
    # the server that was killed, the window that was refused, changes that were refused
    allowed = ("ERR_CONNECTION", "ERR_SOCKET_NOT_CONNECTED", "status of 423", "status of 400", "favicon")
    messages = [entry["message"] for entry in page.driver.get_log("browser")]
    assert not [message for message in messages if not any(text in message for text in allowed)]
