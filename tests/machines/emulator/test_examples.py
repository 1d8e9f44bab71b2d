"""The examples in the emulator's docstrings hold."""

import doctest
import importlib
from pathlib import Path

import pytest

import machines.emulator

MODULES = sorted(path.stem for path in Path(machines.emulator.__path__[0]).glob("[!_]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    module = importlib.import_module(f"machines.emulator.{name}")
    assert doctest.testmod(module).failed == 0
