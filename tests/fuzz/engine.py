"""`python -m tests.fuzz.engine TARGET OPTION…`: one target under libFuzzer.

In a process of its own, since libFuzzer ends it: with 0 when the time or the number of inputs
is up, with another status at the first finding, which it leaves as a file. The options are
libFuzzer's.
"""

import sys

import atheris

# Coverage leads the way: of our code, and of the parser that is not ours.
_INSTRUMENTED = ["api", "executor", "sandbox", "multipart", "tests"]
with atheris.instrument_imports(include=_INSTRUMENTED):  # pyright: ignore[reportAttributeAccessIssue] - untyped
    from tests.fuzz.planted import PLANTED
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    program, name, *options = sys.argv
    atheris.Setup([program, *options], {**TARGETS, **PLANTED}[name])
    atheris.Fuzz()


main()
