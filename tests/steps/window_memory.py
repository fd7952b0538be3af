"""Run as a separate process: store many large jobs, run one window, and print how much the process has grown.

python -m tests.steps.window_memory FOLDER STATE COUNT → {"grown": bytes, "claimed": count}
"""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import httpx

from shared.job import Job
from shared.job_states import Status
from tests.harness import world as harness
from tests.harness.vendor import Call
from tests.harness.virtual_time import NOON, run
from tests.images.copy_once import peak, resident

SIZE = 512 * 1024
DAY = timedelta(days=1)


def job(number: int, state: str) -> Job:
    """A due job with a large input: in a run that Wireflow does not know, or with an input image to fetch."""
    running = state == "running"
    return Job(
        id=f"{number:032x}",
        status=Status.RUNNING if running else Status.QUEUED,
        prompt="a cat",
        input=json.dumps({"text": "x" * SIZE}),
        created_at=NOON,
        expire_at=NOON + 90 * DAY,
        give_up_at=NOON + DAY,
        prepared=running or state == "queued",
        image1="https://slow.test/cat.png" if state == "preparing" else None,
        execution_id=f"exec_{number}" if running else None,
        started_at=NOON if running else None,
        queue_at=NOON if state == "queued" else None,
        due_at=NOON + DAY if state == "queued" else NOON,
    )


def forget_and_start(world: harness.World) -> Callable[[Call], httpx.Response]:
    """Answer as Wireflow, without keeping the request: the memory of the simulator is not the product's."""
    numbers = count(1)

    def start(_call: Call) -> httpx.Response:
        world.vendor.calls.clear()
        return httpx.Response(200, json={"executionId": f"started_{next(numbers)}"})

    return start


async def main(folder: str, state: str, jobs: int) -> None:
    async with harness.world(Path(folder)) as world:
        await world.accepted()  # loads everything that a window needs
        await world.run_window()
        for number in range(jobs):
            await world.store.create(job(number, state))
        world.vendor.answer("trigger", forget_and_start(world))
        before = resident()
        counts = await world.run_window()
        print(json.dumps({"grown": peak() - before, "claimed": counts["claimed"] + counts["dispatched"]}))


if __name__ == "__main__":
    run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
