"""One deployment for the tests of each recipe."""

from collections.abc import Iterator

import pytest

from tests.recipes.browser import browsers as browsers
from tests.recipes.deployment import Deployment, deployed
from tests.recipes.google import Google, google


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
