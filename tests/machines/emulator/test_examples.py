"""What the emulator's docstrings show holds: their examples, and the tree of errors."""

import doctest
import importlib
import pkgutil

import pytest

import machines.emulator
from machines.emulator.errors import EmulatorError

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(machines.emulator.__path__, "machines.emulator.")
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_examples_of_a_module_hold(module) -> None:
    assert doctest.testmod(module).failed == 0


def test_every_error_has_one_root_and_stands_in_the_tree() -> None:
    defined = {
        thing
        for module in MODULES
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, Exception)
        and thing.__module__.startswith("machines.emulator")
    }
    assert len(defined) > 8
    for error in defined:
        assert issubclass(error, EmulatorError)
        assert f"── {error.__name__} " in (machines.emulator.__doc__ or ""), error
