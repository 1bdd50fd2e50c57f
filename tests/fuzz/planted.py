"""Targets with a known fault, to show that a fault is found."""

from collections.abc import Mapping

from tests.fuzz.targets import Target


def a_word_of_four_letters(data: bytes) -> None:
    """Fail for what begins with a word: by chance alone, one in four thousand million does.

    Every letter is a branch of its own, so that coverage leads from one to the next.
    """
    if data[0:1] != b"F":
        return
    if data[1:2] != b"U":
        return
    if data[2:3] != b"Z":
        return
    if data[3:4] != b"Y":
        return
    raise RuntimeError("the planted fault")


PLANTED: Mapping[str, Target] = {"planted": a_word_of_four_letters}
