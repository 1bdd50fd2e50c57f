"""What the supervisor needs of `typing`, without its import.

That takes 4 to 7 ms of processor time, a third of a supervisor's start, and a busy host pays it
with every run. Where `typing` is loaded already, as in all other processes, it is used.
"""

import sys
from collections import namedtuple

TYPE_CHECKING = False

if TYPE_CHECKING or "typing" in sys.modules:
    from typing import Any as Any  # noqa: PLC0414 - passed on
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - passed on
    from typing import NoReturn as NoReturn  # noqa: PLC0414 - passed on
    from typing import cast as cast  # noqa: PLC0414 - passed on
else:
    Any = NoReturn = None

    def cast(_kind: object, value: object) -> object:
        """Return `value`."""
        return value

    class _Maker(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body.pop("__annotations__"))
            defaults = [body.pop(field) for field in fields if field in body]
            module = body.pop("__module__")
            made = namedtuple(name, fields, defaults=defaults, module=module)  # noqa: PYI024 - that is the point
            for key, value in body.items():
                setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Maker):
        """Makes a tuple with named fields of a class body, as `typing.NamedTuple` does."""
