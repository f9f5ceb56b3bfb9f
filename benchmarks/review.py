# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Response of the review page in Chromium: opening a study, drag to redraw, saving, Finish, and memory.

A synthetic cine of 10 slices and 24 phases (or a study of yours), with endocardium and epicardium of 64 vertices on
every frame; and one contour of 20,000 vertices. Drag: from the start of handling a mouse movement to new contours in
the page; saving: from sending a change to the answer that it is on disk. `--large`: 10,000 frames of 96 x 96 pixels in
10 slices and 1,000 phases, with one contour of 20,000 vertices. Needs chromium, chromium-driver and '.[test]'.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from timing import Table, parser, prepare, write_record

from monai_acdr.apps.documents import ContourDocument, write_contour_document
from monai_acdr.apps.review import start_review
from monai_acdr.apps.study_files import find_series
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Region
from monai_acdr.geometry import circle

QUESTION = "How fast does the review page answer?"
SLICES, PHASES = 10, 24
LARGE = 10, 1000


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=40, threads=1)
    options.add_argument("--study", type=Path, help="folder of a DICOM study instead of the synthetic one")
    options.add_argument("--large", action="store_true", help="measure 10,000 frames instead")
    return options.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    if options.large:
        return measure_large(options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        study = options.study or write_short_axis_studies(folder / "study", 1, SLICES, PHASES, (256, 256)) / "dicoms"
        number = write_contours(folder / "contours.json", study, 64, 0)
        few = measure(folder / "contours.json", study, options.repeats)
        write_contours(folder / "many.json", study, 64, 20_000)
        many = measure(folder / "many.json", study, options.repeats, finish=False)
    rows = [
        ["read headers and contours, s", f"{few['start_s']:.2f}", ""],
        ["open the page, s", f"{few['open_s']:.2f}", ""],
        ["thumbnails of all frames there after, s", f"{few['sheets_s']:.2f}", ""],
        *(
            [
                f"{name}, ms",
                *(f"{np.median(each[key]):.1f} ({np.quantile(each[key], 0.95):.1f})" for each in (few, many)),
            ]
            for name, key in (("drag to redraw, median (95th percentile)", "drag"), ("save", "save"))
        ),
        ["Finish: contours.json, SEG, RTSTRUCT, SR, s", f"{few['finish_s']:.1f}", ""],
        ["memory of the server, most, MiB", f"{few['server_mib']:.0f}", f"{many['server_mib']:.0f}"],
        ["heap of the page, MiB", f"{few['page_mib']:.0f}", f"{many['page_mib']:.0f}"],
    ]
    table = Table("response", ["", f"{number} frames, 64 vertices", "a contour of 20,000"], rows)
    print(table)
    settings = {"frames": number, "repeats": options.repeats, "study": "own" if options.study else "synthetic"}
    write_record(options.output, QUESTION, settings, {"few": few, "many": many}, [table])
    return 0


def measure_large(options: Any) -> int:
    """The same with 10,000 frames."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        study = write_short_axis_studies(folder / "study", 1, *LARGE, (96, 96)) / "dicoms"
        number = write_contours(folder / "contours.json", study, 64, 20_000)
        found = measure(folder / "contours.json", study, options.repeats, finish=False)
    spans = [f"{np.median(found[key]):.0f} ({np.quantile(found[key], 0.95):.0f})" for key in ("drag", "save")]
    rows = [
        ["read headers and contours, s", f"{found['start_s']:.0f}"],
        ["open the page, s", f"{found['open_s']:.1f}"],
        ["drag to redraw 20,000 vertices, median (95th percentile), ms", spans[0]],
        ["save, ms", spans[1]],
        ["memory of the server, most, MiB", f"{found['server_mib']:.0f}"],
        ["heap of the page, MiB", f"{found['page_mib']:.0f}"],
    ]
    table = Table("large", ["", f"{number:,} frames"], rows)
    print(table)
    write_record(options.output, QUESTION, {"frames": number, "repeats": options.repeats}, {"large": found}, [table])
    return 0


def write_contours(path: Path, study: Path, vertices: int, most: int) -> int:
    """Write circles on all frames, the middle frame's endocardium with `most` vertices; return the number of frames."""
    sources = max(find_series(study)[0], key=len)
    middle = len(sources) // 2

    def ring(index: int, radius: float) -> tuple[np.ndarray]:
        height, width = sources[index].size
        center = torch.tensor([width / 2, height / 2], dtype=torch.float64)
        count = most if most and index == middle and radius < 30 else vertices
        return (circle(center, radius - index % PHASES / 2, count).numpy(),)

    regions = [
        Region(structure, tuple(ring(index, radius) for index in range(len(sources))))
        for structure, radius in ((LV_ENDOCARDIUM, 25.0), (LV_EPICARDIUM, 33.0))
    ]
    write_contour_document(path, ContourDocument.from_regions(regions, sources), overwrite=True)
    return len(sources)


def measure(results: Path, study: Path, repeats: int, finish: bool = True) -> dict[str, Any]:
    """Serve and drive the page."""
    context = multiprocessing.get_context("fork")
    said = context.SimpleQueue()
    options = {"browser": False, "say": said.put}
    started = time.perf_counter()
    server = context.Process(target=start_review, args=(results, study), kwargs=options)
    server.start()
    driver = None
    try:
        address = said.get().removeprefix("Review: ")
        found: dict[str, Any] = {"start_s": time.perf_counter() - started}
        driver = chromium()
        found |= drive(driver, address, repeats, finish)
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
        found["server_mib"] = int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024
        return found
    finally:
        if driver is not None:
            driver.quit()
        server.kill()
        server.join()


def chromium() -> Any:
    """A headless browser."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1400,900"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.get("about:blank")
    return driver


def drive(driver: Any, address: str, repeats: int, finish: bool) -> dict[str, Any]:
    """Open, drag, save, finish."""
    started = time.perf_counter()
    driver.get(address)
    wait(driver, "return document.body.dataset.state === 'ready'")
    found: dict[str, Any] = {"open_s": time.perf_counter() - started}
    wait(driver, "return Number(document.body.dataset.sheets) >= 1")
    found["sheets_s"] = time.perf_counter() - started
    for number in range(repeats):
        place = "const c = m.page.study.frames[m.page.frame].contours[0].vertices;"
        x, y = run(driver, f"{place} const i = 2 * Math.floor(c.length / 8); return m.toScreen(c[i], c[i + 1])")
        builder = ActionBuilder(driver, duration=0)
        mouse = builder.pointer_action
        mouse.move_to_location(round(x), round(y)).pointer_down()
        for step in range(1, 6):
            mouse.move_to_location(round(x) + (1 if number % 2 else -1) * 4 * step, round(y))
            mouse.pause(0.02)
        mouse.pointer_up()
        builder.perform()
        wait(driver, "return document.body.dataset.pending === '0'")
    found |= {key: run(driver, f"return m.timings.{key}") for key in ("drag", "save")}
    found["page_mib"] = run(driver, "return performance.memory.usedJSHeapSize") / 2**20
    if finish:
        started = time.perf_counter()
        driver.find_element("id", "finish").click()
        wait(driver, "return document.body.dataset.version === '1'", 600)
        found["finish_s"] = time.perf_counter() - started
    return found


def wait(driver: Any, condition: str, seconds: float = 120) -> None:
    """Wait until JavaScript returns true."""
    end = time.perf_counter() + seconds
    while not driver.execute_script(condition):
        if time.perf_counter() > end:
            raise TimeoutError(condition)
        time.sleep(0.01)


def run(driver: Any, code: str) -> Any:
    """Run JavaScript with the page's module `m`."""
    start = "const done = arguments[arguments.length - 1];"
    return driver.execute_async_script(f"{start} import('/review.js').then((m) => done((() => {{ {code} }})()))")


if __name__ == "__main__":
    sys.exit(main())
