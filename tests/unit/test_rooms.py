"""The order of the packages (rooms) in `control` and `gateway`, and that imports follow it."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

from control.config.settings import ROOT

# A room imports itself and the rooms after it.
ROOMS = {
    "control": [
        "web",
        "traffic",
        "deployment",
        "launch",
        "supervision",
        "tools",
        "environments",
        "projects",
        "logs",
        "config",
    ],
    "gateway": ["stock", "arbiter", "worker", "records", "notebook", "http", "protocol"],
}
# The arbiter's process loads nothing of what runs in a kernel: they speak through `protocol` alone.
SEPARATE = {("gateway", "arbiter", "worker"), ("gateway", "stock", "worker")}
ALL_ROOMS = [f"{package}/{room}" for package, rooms in ROOMS.items() for room in rooms]


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


MODULES = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in chain(*map(modules, ROOMS))}


def imports(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports, wherever in it and for whatever purpose."""
    modules = set(MODULES.values())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            # `from room import module` or `from room.module import name`
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else str(node.module) for name in names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in ROOMS)


@pytest.mark.parametrize("package", ROOMS)
def test_no_import_climbs(package: str) -> None:
    order = ROOMS[package]
    climbing = []
    for path in modules(package):
        _, room, *inside = MODULES[path].split(".")
        if not inside:  # the entry point, above all rooms
            continue
        for name in imports(path):
            other = name.split(".")[1]
            if order.index(other) < order.index(room) or (package, room, other) in SEPARATE:
                climbing.append(f"{MODULES[path]} imports {name}")
    assert climbing == []


def test_control_and_gateway_do_not_import_each_other() -> None:
    crossing = [
        f"{module} imports {name}"
        for path, module in MODULES.items()
        for name in imports(path)
        if name.partition(".")[0] != module.partition(".")[0]
    ]
    assert crossing == []


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {module: set(imports(path)) for path, module in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("package", ROOMS)
def test_each_module_is_in_a_room_that_has_a_place_in_the_order(package: str) -> None:
    inside = [path for path in (ROOT / package).iterdir() if path.name != "__pycache__"]
    assert {path.name for path in inside if path.is_file()} == {"__init__.py", "__main__.py"}
    assert sorted(path.name for path in inside if path.is_dir()) == sorted(ROOMS[package])


@pytest.mark.parametrize("room", ALL_ROOMS)
def test_a_room_says_its_purpose_in_one_sentence(room: str) -> None:
    tree = ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))
    purpose = ast.get_docstring(tree)
    assert purpose
    assert len(tree.body) == 1, "a room's __init__.py holds its docstring alone"
    assert "\n" not in purpose
    assert purpose.endswith(".")
    assert ". " not in purpose


def test_unit_tests_are_in_the_room_of_what_they_test() -> None:
    tests = ROOT / "tests" / "unit"
    strays = [
        str(path.relative_to(ROOT))
        for path in tests.rglob("test_*.py")
        if path != Path(__file__)
        and not (ROOT / path.relative_to(tests)).with_name(path.name.removeprefix("test_")).is_file()
    ]
    assert strays == []


@pytest.mark.parametrize("room", ALL_ROOMS)
def test_the_documentation_says_what_a_room_is_for(room: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where to change what")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if f"`{room}/`" in line]
    assert len(lines) == 1, f"one line of the table is on `{room}/`"
