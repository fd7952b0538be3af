"""The first minute with the product: `serve`, and an image in the browser."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from selenium.webdriver import Chrome

from tests.cli.command import Command, read_until
from tests.pages.conftest import Person
from tests.recipes.deployment import Deployment
from tests.servers.process import free_port

SECONDS = 60


@pytest.mark.slow
def test_a_stranger_makes_an_image_in_the_browser_within_a_minute_of_serve(
    browsers: Callable[[bool], Chrome], tmp_path: Path
) -> None:
    chrome, port = browsers(True), free_port()
    begin = time.monotonic()
    with Command(tmp_path).started("serve", "--port", str(port)) as process, httpx.Client() as http:
        assert f"http://127.0.0.1:{port}" in read_until(process, "Ctrl-C")
        person = Person(chrome, Deployment(f"http://127.0.0.1:{port}", "", http))
        person.opens()
        person.sees_image(person.creates("a heron of a stranger"))
        assert time.monotonic() - begin < SECONDS
