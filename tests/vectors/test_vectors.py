"""Every vector of spec/vectors, through the reference implementation. Spec: conventions.md §9."""

import json
from pathlib import Path

import pytest
from vectors.reference import run_vector

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(VECTORS.glob("*.json"))}
ALL = [
    pytest.param(noun, vector, id=f"{noun}-{vector['name']}")
    for noun, file in FILES.items()
    for vector in file["vectors"]
]


@pytest.mark.parametrize(("noun", "vector"), ALL)
def test_the_reference_implementation_says_what_the_vector_says(noun, vector):
    result, stage, output = run_vector(noun, vector["input"])
    assert (result, stage) == (vector["result"], vector["stage"])
    assert output == vector["output"]
