"""Whatever the text, the loader answers with a fleet or with faults that have lines: never with an accident."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import example, read_text
from quartermaster.fleet.schema.tree import Path, read_tree

ODD: list[Any] = [None, "", "x", 0, -1, 10**30, 1.5, True, [], {}, [None], {"x": None}, [[{}]], "2026-13-45", ".inf"]
PATHS: list[Path] = [path for path in read_tree(example()).lines if path]


def answer(text: str) -> InputError | None:
    try:
        read_text(text)
    except InputError as refused:
        return refused
    return None


def put(value: Any, path: Path, odd: Any) -> Any:
    if not path:
        return odd
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: put(item, rest, odd) if key == step else item for key, item in value.items()}
    return [put(item, rest, odd) if index == step else item for index, item in enumerate(value)]


@pytest.fixture(scope="module")
def document() -> Any:
    return YAML(typ="safe", pure=True).load(example())


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(PATHS)), ids=lambda index: str(PATHS[index]))
def test_odd_value_anywhere(document: Any, index: int) -> None:
    path = PATHS[index]
    for odd in ODD[index % 5 :: 5]:  # each path a few, all paths together every one many times
        refused = answer(json.dumps(put(document, path, odd), default=str, indent=1))
        for fault in refused.faults if refused else ():
            assert fault.line, fault
            assert fault.problem, fault
            assert fault.remedy, fault


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(0, len(example()) - 1), st.integers(0, 40), st.text(max_size=4))
def test_spoilt_text(start: int, length: int, instead: str) -> None:
    text = example()
    answer(text[:start] + instead + text[start + length :])


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60))
def test_any_text_at_all(text: str) -> None:
    answer(text)
