"""One deployment for the tests of each recipe."""

from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver import Chrome

from tests.recipes.browser import browsers as browsers
from tests.recipes.deployment import Deployment, deployed
from tests.recipes.google import Google, google
from tests.recipes.small_server import serving
from tests.recipes.visitors import Site, Visitor


@pytest.fixture(scope="module")
def certified() -> Iterator[Google]:
    """A stand-in for Google that signs identity tokens."""
    with google() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def deployment(certified: Google, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The product with every kind of authentication but forms."""
    with deployed(tmp_path_factory.mktemp("deployment"), GOOGLE_CERTS_URL=certified.certs_url) as product:
        yield product


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    with serving(site.answer) as site.allowed, serving(site.answer) as site.foreign:
        yield site


@pytest.fixture(scope="module")
def product(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    with deployed(folder, FORM_ORIGINS=site.allowed, FORM_PER_MINUTE="0") as deployment:
        yield deployment


@pytest.fixture
def visitor(browsers: Callable[[bool], Chrome], site: Site, product: Deployment) -> Visitor:
    return Visitor(browsers(True), site, product)


@pytest.fixture
def plain_visitor(browsers: Callable[[bool], Chrome], site: Site, product: Deployment) -> Visitor:
    """One whose browser has JavaScript switched off."""
    return Visitor(browsers(False), site, product)
