"""Which Python programs are run where the libraries are loaded already."""

import pytest

from sandbox.supervisor.imports import wants_libraries


@pytest.mark.parametrize(
    "source",
    [
        "",
        "print(1)",
        "import os, sys",
        "import os.path as p, json",
        "from collections import abc, deque",
        "from xml.etree import ElementTree  # not lxml",
        "def f():\n\timport re; import csv\n",
        "raise ValueError('no luck') from None",
        "print('important from afar')",
    ],
)
def test_a_program_that_needs_python_alone_does_not(source: str) -> None:
    assert not wants_libraries(source.encode())


@pytest.mark.parametrize(
    "source",
    [
        "import pandas as pd",
        "import os, numpy as np",
        "import os.path, scipy.stats",
        "from matplotlib import pyplot as plt",
        "x = 1\nif x:\n    import seaborn as sns",
        "import helper",
        "from . import helper",
        "__import__('pandas')",
        "importlib.import_module('numpy')",
        "exec('import sklearn')",
    ],
)
def test_one_that_may_want_more_does(source: str) -> None:
    assert wants_libraries(source.encode())


def test_source_that_is_no_text_is_judged_all_the_same() -> None:
    assert wants_libraries(b"\xff\xfe\nimport \xff")


def test_a_long_program_is_judged_in_no_time() -> None:
    assert not wants_libraries(b"import os, sys\n" * 200_000)
