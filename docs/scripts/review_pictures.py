# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Draw the pictures of the review page: python docs/scripts/review_pictures.py.

Needs Chromium (apt-get install chromium chromium-driver; pip install '.[test]'). The study is the one that comes with
the package, outlined by the shipped weights.
"""

from __future__ import annotations

import io
import math
import multiprocessing
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder

from monai_acdr.apps import segment
from monai_acdr.apps.review import start_review
from monai_acdr.data import example_study

IMAGES = Path(__file__).parents[1] / "images"
SIZE = (1280, 800)
BASE = 21  # frame of the GIF: the slice at the base at end-diastole
PULLS = [(0, -125, 4.5), (1, -98, 3.0)]
"""Structure, direction in degrees, and how far a place of its contour is pulled, in pixels."""
STEPS = 10
CROP = (340, 40, 1280, 640)


def main() -> None:
    """Outline the study, and draw."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        segment(example_study() / "dicoms", results, pictures=False)
        context = multiprocessing.get_context("fork")
        said = context.SimpleQueue()
        options = {"browser": False, "say": said.put}
        server = context.Process(target=start_review, args=(results, example_study() / "dicoms"), kwargs=options)
        server.start()
        try:
            draw(said.get().removeprefix("Review: "))
        finally:
            server.kill()
            server.join()


def draw(address: str) -> None:
    """Draw all pictures."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "force-device-scale-factor=1", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False},
        )
        driver.get(address)
        wait(driver, "return document.body.dataset.state === 'ready' && document.body.dataset.sheets === '1'")
        save(driver, "review.png")
        correct(driver)
        run(driver, "document.querySelector('#compare').click()")
        mouse(driver, "move", 5, 5)
        save(driver, "review_compare.png")
    finally:
        driver.quit()


PLACE = """
const [structure, angle, pull] = a, contours = m.page.study.frames[m.page.frame].contours;
const contour = contours[structure].vertices, middle = [0, 0], direction = [Math.cos(angle), Math.sin(angle)];
for (let i = 0; i < contour.length; i += 1) middle[i % 2] += (2 * contour[i]) / contour.length;
let best = [-2];
for (let i = 0; i < contour.length; i += 2) {
  const [x, y] = [contour[i] - middle[0], contour[i + 1] - middle[1]];
  best = [Math.max(best[0], 0), ...best.slice(1)];
  const along = (x * direction[0] + y * direction[1]) / Math.hypot(x, y);
  if (along > best[0]) best = [along, i];
}
const [x, y] = [contour[best[1]], contour[best[1] + 1]];
return [...m.toScreen(x, y), ...m.toScreen(x + pull * direction[0], y + pull * direction[1])];
"""
"""On the screen: the vertex in a direction from the middle of a contour, and where it goes."""


def correct(driver: Any) -> None:
    """Pull dents out, and keep pictures of it."""
    cell = "const b = document.querySelector('#grid').getBoundingClientRect();"
    place = "clientX: b.left + 98, clientY: b.top + 710 - document.querySelector('#grid').scrollTop"
    click = f"new MouseEvent('click', {{{place}}})"
    run(driver, f"{cell} document.querySelector('#thumbnails').dispatchEvent({click})")
    wait(driver, f"return document.body.dataset.drawn === '{BASE}'")
    run(driver, "document.querySelector('#legend').hidden = true")  # the crop would cut it
    pictures = []
    for structure, degrees, pull in PULLS:
        x, y, end_x, end_y = run(driver, PLACE, structure, math.radians(degrees), pull)
        mouse(driver, "down", x, y)
        for step in range(STEPS + 1):
            share = (1 - math.cos(math.pi * step / STEPS)) / 2
            mouse(driver, "move", x + share * (end_x - x), y + share * (end_y - y))
            time.sleep(0.1)
            pictures.append(Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB").crop(CROP))
        mouse(driver, "up", end_x, end_y)
        wait(driver, "return document.body.dataset.pending === '0'")
    run(driver, "document.querySelector('#legend').hidden = false")
    save_gif(pictures)


def mouse(driver: Any, action: str, x: float, y: float) -> None:
    """Move the mouse, with the button pressed or released then."""
    builder = ActionBuilder(driver, duration=0)
    builder.pointer_action.move_to_location(round(x), round(y))
    if action != "move":
        getattr(builder.pointer_action, f"pointer_{action}")()
    builder.perform()


def palette_of(picture: Image.Image) -> Image.Image:
    """160 grays, for the images, and 96 colors of what is not gray."""
    pixels = np.asarray(picture).reshape(-1, 3)
    colored = pixels[np.ptp(pixels, axis=1) > 6]
    found = Image.fromarray(colored[None]).quantize(96, dither=Image.Dither.NONE).getpalette() or []
    grays = np.repeat(np.linspace(0, 255, 160).round().astype(int), 3).tolist()
    palette = Image.new("P", (1, 1))
    palette.putpalette(grays + found[: 3 * 96])
    return palette


def save_gif(pictures: list[Image.Image]) -> None:
    """Save the pictures of a correction."""
    palette = palette_of(pictures[0])
    frames = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    lengths = [90] * len(frames)
    lengths[0] = lengths[-1] = 1500
    path = IMAGES / "review_drag.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=lengths, loop=0, optimize=True)
    print(path.name, frames[0].size, path.stat().st_size)


def wait(driver: Any, condition: str) -> None:
    """Wait until JavaScript returns true."""
    for _ in range(600):
        if driver.execute_script(condition):
            time.sleep(0.3)
            return
        time.sleep(0.05)
    raise TimeoutError(condition)


def run(driver: Any, code: str, *arguments: Any) -> Any:
    """Run JavaScript with the page's module `m` and arguments `a`."""
    start = "const done = arguments[arguments.length - 1], a = [...arguments];"
    return driver.execute_async_script(
        f"{start} import('/review.js').then((m) => done((() => {{ {code} }})()))", *arguments
    )


def save(driver: Any, name: str) -> None:
    """Save the whole page."""
    time.sleep(0.5)
    picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    picture.quantize(palette=palette_of(picture), dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)
    print(name, picture.size, (IMAGES / name).stat().st_size)


if __name__ == "__main__":
    main()
