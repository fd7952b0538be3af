"""What is deployed: each function's files and shared/, under a name that changes with them and with nothing else."""

import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.trigger.responses.assets import EMBED, PAGE_ASSETS
from tests.processes.function import Function
from tests.terraform.mocked import FUNCTIONS, State, copy_repository, initialize, pin_google, run_test


@pytest.fixture(scope="session")
def whole_module(google: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialized copy of the folder that is applied, in a copy of the whole repository."""
    copy = copy_repository(tmp_path_factory.mktemp("whole"))
    pin_google(copy, google)
    return initialize(copy)


@pytest.fixture(scope="session")
def whole(whole_module: Path) -> State:
    """The deployment of the required variables alone, with what is packed."""
    return run_test(whole_module, "smallest")


def package(state: State, function: str) -> dict[str, str]:
    """Name in the zip → text."""
    (archive,) = [item for item in state.all("archive_file") if item.address.endswith(f'["{function}"]')]
    return {item["filename"]: item["content"] for item in archive.values["source"]}


def object_names(state: State) -> dict[str, str]:
    """Function → name of the object that it is built from."""
    return {
        name: state.function(name).values["build_config"][0]["source"][0]["storage_source"][0]["object"]
        for name in FUNCTIONS
    }


def files(folder: Path) -> dict[str, Path]:
    """Path below `folder` → file, without compiled code, the README, and its images, which are not deployed."""
    found = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {
        name: file for name, file in found.items() if "__pycache__" not in name and not name.endswith((".md", ".png"))
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_zip_holds_the_functions_files_the_shared_ones_and_the_locked_requirements(
    whole_module: Path, whole: State, function: str
) -> None:
    root = whole_module.parent
    shared = {f"shared/{name}": file for name, file in files(root / "shared").items()}
    shared["requirements.txt"] = shared.pop("shared/requirements.lock")
    expected = files(root / "functions" / function) | shared
    assert package(whole, function) == {name: file.read_text() for name, file in expected.items()}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_zip_holds_a_test_a_tool_or_anything_but_text(whole: State, function: str) -> None:
    names = set(package(whole, function))
    assert names >= {"main.py", "shared/__init__.py", "shared/config.py"}
    data = {"openapi/openapi.json", *(f"pages/{name}" for name in ("page.html", EMBED, *PAGE_ASSETS))}
    assert {name for name in names if not name.endswith((".py", ".txt"))} == (data if function == "trigger" else set())
    stray = re.compile(r"(^|/)(tests?|test_\w+|\w+_test|conftest|simulator|cli|__main__)(/|\.py$)")
    assert [name for name in names if stray.search(name)] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_entry_point_is_a_function_of_main(whole: State, function: str) -> None:
    entry_point = whole.function(function).values["build_config"][0]["entry_point"]
    assert re.search(rf"^(async )?def {entry_point}\(", package(whole, function)["main.py"], re.M)


def test_a_function_is_built_from_its_own_object(deployment: State) -> None:
    for name, built_from in object_names(deployment).items():
        uploaded = deployment.one(f'google_storage_bucket_object.package["{name}"]').values
        assert uploaded["name"] == built_from
        assert uploaded["bucket"] == deployment.one("google_storage_bucket.sources").values["name"]


@pytest.mark.slow
@pytest.mark.parametrize("google", ["8.7.0"], indirect=True)
def test_the_names_of_the_objects_depend_on_names_and_contents_alone(
    google: str, whole_module: Path, whole: State, tmp_path: Path
) -> None:
    first = object_names(whole)
    other = initialize(copy_repository(tmp_path, whole_module.parent))
    for file in (*tmp_path.rglob("*.py"), *tmp_path.rglob("*.json")):
        os.utime(file, (0, 1_000_000_000))
        file.chmod(0o755)
    assert object_names(run_test(other, "smallest")) == first

    with (tmp_path / "functions/poller/main.py").open("a") as main:
        main.write("# changed\n")
    changed = object_names(run_test(other, "smallest"))
    assert changed["poller"] != first["poller"]
    assert changed["trigger"] == first["trigger"]


@pytest.fixture(params=FUNCTIONS)
def started(request: pytest.FixtureRequest, whole: State, tmp_path: Path) -> Iterator[Function]:
    """A deployed function, run from its own zip's files as the platform would."""
    folder = tmp_path / "workspace"
    for name, text in package(whole, request.param).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    deployed = whole.function(request.param)
    environment = {
        **deployed.service["environment_variables"],
        **{item["key"]: "made-up" for item in deployed.service["secret_environment_variables"]},
        "K_SERVICE": deployed.values["name"],
    }
    function = Function(deployed.values["build_config"][0]["entry_point"], tmp_path, environment, folder=folder)
    try:
        yield function.start()
    finally:
        function.kill()


@pytest.mark.parametrize("google", ["8.7.0"], indirect=True)
def test_a_function_starts_from_its_zip_alone_and_answers(google: str, started: Function) -> None:
    with urllib.request.urlopen(f"{started.url}/health", timeout=5) as answer:
        assert (answer.status, answer.read()) == (200, b'{"status":"ok"}')
