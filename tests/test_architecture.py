"""Who imports whom: upper rooms import lower ones, and nobody runs in a circle."""

import ast
import inspect
import os

import pytest
from helpers import ROOT

import tgan_chainer

PACKAGE = os.path.join(ROOT, "tgan_chainer")

# From the ground floor up; the rooms of one floor may import each other.
FLOORS = [
    {"_interrupt", "_chainer_compat", "version", "errors"},
    {"checks", "files", "interruption", "reading", "parallel", "download", "pretrained", "texts"},
    {"processes", "spread_batch", "children"},
    {"kernels"},
    {"functions"},
    {"links"},
    {"losses", "averaging", "clipping", "optimizers", "updaters", "devices"},
    {"datasets", "videos"},
    {"config", "models", "runs", "snapshots", "provenance", "triggers", "labels", "logs", "figures"},
    {"evaluations"},
    {"extensions", "export", "demo"},
    {"reproduction"},
    {"commands"},
    {"__init__", "__main__"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def sources(folder):
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (os.path.join(parent, name) for name in names if name.endswith(".py"))


def module_of(path):
    name = os.path.relpath(path, ROOT).removesuffix(".py").replace(os.sep, ".")
    return name.removesuffix(".__init__")


MODULES = {module_of(path): path for path in sources(PACKAGE)}


def imports(path):
    """The modules of the package that a file imports, wherever in the file; a package's as what they are."""
    found = set()
    with open(path, encoding="utf-8") as file:
        for node in ast.walk(ast.parse(file.read())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports relatively"
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found.add(inner if inner in MODULES else node.module)
    return found & MODULES.keys()


GRAPH = {module: imports(path) - {module} for module, path in MODULES.items()}


def room_of(module):
    _, _, rest = module.partition(".")
    return rest.partition(".")[0] or "__init__"


def test_every_room_has_its_floor():
    assert {room_of(module) for module in MODULES} <= FLOOR_OF.keys()


def test_upper_rooms_import_lower_ones():
    wrong = [
        f"{module} -> {imported}"
        for module, found in GRAPH.items()
        for imported in found
        if FLOOR_OF[room_of(imported)] > FLOOR_OF[room_of(module)]
        # The package's own face, see the next test.
        and imported != "tgan_chainer"
    ]
    assert not wrong


def test_the_package_itself_is_imported_by_commands_alone():
    importers = {room_of(module) for module, found in GRAPH.items() if "tgan_chainer" in found}
    assert importers <= {"commands", "__main__"}


def test_no_module_imports_itself_in_the_end():
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for imported in GRAPH[module]:
            visit(imported)
        path.pop()
        done.add(module)

    for module in GRAPH:
        visit(module)


@pytest.mark.parametrize("folder", ["datasets", "experiments"])
def test_no_script_imports_a_script(folder):
    texts = {}
    for path in sources(os.path.join(ROOT, folder)):
        with open(path, encoding="utf-8") as file:
            texts[path] = file.read()
    # Others, such as peers/stock_chainer.py, are no scripts.
    scripts = {
        os.path.basename(path).removesuffix(".py") for path, text in texts.items() if "__main__" in text
    }
    assert scripts
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names = {part for alias in node.names for part in alias.name.split(".")}
            elif isinstance(node, ast.ImportFrom):
                names = {*node.module.split("."), *(alias.name for alias in node.names)}
                if "tgan_chainer" in names:
                    continue
            else:
                continue
            assert not scripts & names, path


def test_what_the_package_offers_is_documented():
    for name in tgan_chainer.__all__:
        value = getattr(tgan_chainer, name)
        assert name == "__version__" or inspect.getdoc(value), name
        if inspect.isclass(value):
            assert value.__doc__, name
