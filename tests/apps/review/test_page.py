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
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import torch

from monai_acdr.apps.documents import ContourDocument, read_contour_document, write_contour_document
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.measurements import find_grid, measure_contours
from monai_acdr.apps.review import start_review
from monai_acdr.apps.study_files import find_series
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Algorithm, Region
from monai_acdr.geometry import circle, is_simple, perimeter
from monai_acdr.inferers import drag_contours, push_contours
from monai_acdr.inferers.corrections import WIDTH, nearest_on_contour

selenium = pytest.importorskip("selenium")

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")


def _ring(radius: float, number: int = 32) -> np.ndarray:
    return circle(torch.tensor([56.0, 50.0], dtype=torch.float64), radius, number).numpy()


class Server:
    """`start_review` in a process of its own: forked, so that it need not import torch again."""

    def __init__(self, results: Path, study: Path) -> None:
        self.results, self.study = results, study
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("fork")
        said = context.SimpleQueue()
        options = {"browser": False, "reader": "Doe^Jane", "say": said.put}
        self.process = context.Process(
            target=start_review, args=(self.results, self.study), kwargs=options, daemon=True
        )
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

    def wait(self, condition: Callable[[], bool], seconds: float = 90) -> None:
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
        found = self.run("return m.page.study.frames[m.page.frame].contours.map((x) => [...x.vertices])")
        return [np.array(vertices).reshape(-1, 2) for vertices in found]

    def heart(self) -> dict[str, float]:
        return dict(self.run("const h = m.measures(); return {ef: h.ef, edv: h.edv, esv: h.esv, mass: h.mass}"))

    def drag(self, start: tuple[float, float], pull: tuple[float, float]) -> None:
        """Press at a place of the image, move, and release."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        x, y, scale = self.run("return [...m.toScreen(a[0], a[1]), m.page.view.scale]", *start)
        builder = ActionBuilder(self.driver, duration=0)
        mouse = builder.pointer_action
        mouse.move_to_location(round(x), round(y)).pointer_down()
        for step in (0.5, 1.0):
            mouse.move_to_location(round(x + step * scale * pull[0]), round(y + step * scale * pull[1]))
        mouse.pointer_up()
        builder.perform()


@pytest.fixture(scope="module")
def server(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    sources = find_series(study)[0][0]
    radii = [(18.0, 14.0, 10.0, 15.0)[index % 4] - index // 4 for index in range(len(sources))]
    regions = [
        Region(structure, tuple((_ring(radius + more),) for radius in radii))
        for structure, more in ((LV_ENDOCARDIUM, 0), (LV_EPICARDIUM, 5))
    ]
    folder = tmp_path_factory.mktemp("review") / "results"
    document = ContourDocument.from_regions(regions, sources, Algorithm("a model", "1.0"))
    write_contour_document(folder / "contours.json", document)
    running = Server(folder, study)
    yield running
    running.kill()


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    if CHROMIUM is None or DRIVER is None:
        message = "There is no Chromium with its driver: apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
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


def test_a_second_window_is_refused_and_may_take_over(page: Page) -> None:
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("window")
    page.driver.get(page.server.address)
    page.wait(lambda: page.state("state") == "refused")
    assert "open in another window" in page.driver.find_element("id", "message-text").text
    page.driver.find_element("id", "take-over").click()
    page.wait(lambda: page.state("state") == "ready")
    page.driver.switch_to.window(first)
    page.keys("x")
    page.wait(lambda: "taken over" in page.driver.find_element("id", "message-text").text)


def test_the_browser_reported_no_error(page: Page) -> None:
    """Above all none of the content security policy."""
    allowed = ("ERR_CONNECTION", "status of 423", "favicon")  # the server that was killed, the window that was refused
    messages = [entry["message"] for entry in page.driver.get_log("browser")]
    assert not [message for message in messages if not any(text in message for text in allowed)]
