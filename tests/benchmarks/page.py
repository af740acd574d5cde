"""What a page costs: to write, to carry and to open.

    python -m tests.benchmarks.page [--data FOLDER]

The examples' walk, and the clips of a data folder, are predicted by the landmark network; then the
page is made. In headless Chromium, no file in any cache: when the page can be used, and when the
video shows its first picture, ms after it was asked for. Limits: 10 MB for 10 s of a clip, 2 s.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from d3ke.network.checkpoint import load_weights
from d3ke.predict import predict
from d3ke.predict_options import PredictOptions
from d3ke.progress import Silent
from d3ke.report.page import write_prediction_page
from tests.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WALK = Path(__file__).parents[2] / "examples" / "walk_3s.mp4"
OPTIONS = PredictOptions(weights="landmarks")
ROUNDS = 3  # the best of which counts: others only add
FIRST_PICTURE = "() => document.getElementById('video').readyState >= 2"
INTERACTIVE = "performance.getEntriesByType('navigation')[0].domInteractive"


def opened_ms(browser: "Browser", page: Path) -> tuple[float, float]:
    """When the page can be used, and when its video shows a picture."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(page.as_uri())
    tab.wait_for_function(FIRST_PICTURE)
    times = float(tab.evaluate(INTERACTIVE)), float(tab.evaluate("performance.now()"))
    tab.close()
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="The data folder.")
    data = parser.parse_args().data
    clips = [WALK, *(sorted(data.glob("clips/*/*.mp4")) if data else [])]
    model = load_weights(OPTIONS.weights)
    print("python -m tests.benchmarks.page\n")
    print(f"{'clip':42s}      s  write s   MB  MB in 10 s  usable ms  picture ms")
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            prediction = predict(clip, OPTIONS, model)
            page, start = Path(folder) / "page.html", time.perf_counter()
            write_prediction_page(page, prediction, clip, {}, Silent())
            took_s = time.perf_counter() - start
            size_mb, length_s = page.stat().st_size / 1e6, float(prediction.time[-1])
            usable, picture = (
                min(times)
                for times in zip(*(opened_ms(browser, page) for _ in range(ROUNDS)), strict=True)
            )
            print(
                f"{clip.parent.name + '/' + clip.name:42s} {length_s:6.2f} {took_s:8.1f} "
                f"{size_mb:4.1f} {10 * size_mb / length_s:11.1f} {usable:10.0f} {picture:11.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
