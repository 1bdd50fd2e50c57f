"""Who is next, and who is refused: tenants share what there is, and the users of each do.

Only the order is kept here. Nothing waits, and nothing knows the time.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar


class Stage(Enum):
    """How far a run has come."""

    WAITING = auto()
    OUT = auto()
    """It has its turn."""
    GONE = auto()


@dataclass(eq=False, slots=True)
class Place:
    """One run's place in the order."""

    tenant: str
    user: str
    stage: Stage = Stage.GONE


PlaceT = TypeVar("PlaceT", bound=Place)


@dataclass(eq=False, slots=True)
class _Branch(Generic[PlaceT]):
    """All tenants, one of them, or a user of one: only users have places."""

    out: int = 0
    waiting: int = 0
    branches: "OrderedDict[str, _Branch[PlaceT]]" = field(default_factory=OrderedDict)
    """Whoever had a turn longest ago comes first."""
    places: "OrderedDict[PlaceT, None]" = field(default_factory=OrderedDict)
    """Those that wait, as they came."""


class TurnOrder(Generic[PlaceT]):
    """Tenants take turns, in each its users take turns, and of a user first come is first.

    Whoever has the fewest runs out is next, and of several the one whose last turn is longest
    ago. Turns alone would be no equal shares: of two tenants, one with runs of a minute would
    soon have every slot but the one in which the other's runs go through, one a minute.
    """

    def __init__(self) -> None:
        self._all: _Branch[PlaceT] = _Branch()

    @property
    def out(self) -> int:
        """How many have their turn."""
        return self._all.out

    @property
    def waiting(self) -> int:
        """How many have not."""
        return self._all.waiting

    def waiting_of(self, tenant: str) -> int:
        """How many runs of a tenant wait."""
        branch = self._all.branches.get(tenant)
        return 0 if branch is None else branch.waiting

    def begin(self, place: PlaceT) -> None:
        """Give a new place its turn at once."""
        place.stage = Stage.OUT
        for parent, name in self._way(place):
            parent.branches.move_to_end(name)
        self._count(place, out=1)

    def wait(self, place: PlaceT) -> None:
        """Put a new place behind the others of its user."""
        place.stage = Stage.WAITING
        *_, (tenant, user) = self._way(place)
        tenant.branches[user].places[place] = None
        self._count(place, waiting=1)

    def first(self) -> PlaceT:
        """Return the place that is next. Somebody must be waiting."""
        branch = self._all
        while branch.branches:
            waiting = [each for each in branch.branches.values() if each.waiting]
            branch = min(waiting, key=lambda each: each.out)
        return next(iter(branch.places))

    def call(self, place: PlaceT) -> None:
        """Give a place that waits its turn."""
        self._forget(place)
        self.begin(place)

    def is_idle(self, place: PlaceT) -> bool:
        """Whether the tenant of a place, which has not had its turn, has none out.

        Of a tenant who is alone here it is asked of the user instead: a key can name any users,
        but with no other tenant there is nobody to take anything from.
        """
        tenant = self._all.branches.get(place.tenant)
        if tenant is None or not tenant.out:
            return True
        user = tenant.branches.get(place.user)
        return len(self._all.branches) == 1 and (user is None or not user.out)

    def leave(self, place: PlaceT) -> None:
        """Take a place out, wherever it is by now. Once more changes nothing."""
        if place.stage is Stage.OUT:
            self._count(place, out=-1)
        elif place.stage is Stage.WAITING:
            self._forget(place)
        place.stage = Stage.GONE

    def too_many(self, newest: PlaceT, *, of_its_tenant: bool) -> PlaceT:
        """Return whom to refuse where too many wait, since `newest` has come.

        The user with the most runs waiting, of the tenant with the most: their last one. So a
        flood refuses itself, and there is room for whoever has little.

        Args:
            newest: Refused itself where nobody has more waiting than its own user.
            of_its_tenant: Choose among the runs of its tenant alone.
        """
        branch, own = self._all, [newest.tenant, newest.user]
        if of_its_tenant:
            branch = branch.branches[own.pop(0)]
        while branch.branches:
            _, branch = max(
                branch.branches.items(),
                key=lambda item: (item[1].waiting, item[0] in own[:1]),
            )
            own = own[1:]
        return next(reversed(branch.places))

    def _forget(self, place: PlaceT) -> None:
        """Take a place out of those that wait."""
        *_, (tenant, user) = self._way(place)
        del tenant.branches[user].places[place]
        self._count(place, waiting=-1)

    def _way(self, place: PlaceT) -> Iterator[tuple[_Branch[PlaceT], str]]:
        """Give each branch on the way to a place, and the name of the next; make what lacks."""
        branch = self._all
        for name in (place.tenant, place.user):
            if name not in branch.branches:
                branch.branches[name] = _Branch()
            yield branch, name
            branch = branch.branches[name]

    def _count(self, place: PlaceT, *, out: int = 0, waiting: int = 0) -> None:
        """Count on the whole way to a place; forget whoever has nothing there any more."""
        self._all.out += out
        self._all.waiting += waiting
        for parent, name in list(self._way(place)):
            branch = parent.branches[name]
            branch.out += out
            branch.waiting += waiting
            if not branch.out and not branch.waiting:
                del parent.branches[name]
