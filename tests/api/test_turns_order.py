"""Whose turn it is, and who is refused: examples, and a plain list that must agree."""

from collections import Counter
from collections.abc import Iterable

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
)

from api.turns_order import Place, Stage, TurnOrder

Order = TurnOrder[Place]


def waiting(order: Order, *names: str) -> list[Place]:
    """Have runs wait, named `tenant/user`."""
    parts = (name.split("/") for name in names)
    places = [Place(tenant, user) for tenant, user in parts]
    for place in places:
        order.wait(place)
    return places


def named(places: Iterable[Place]) -> list[str]:
    return [f"{place.tenant}/{place.user}" for place in places]


def called(order: Order) -> Place:
    """Give whoever is next the turn; return who that is."""
    place = order.first()
    order.call(place)
    return place


def served(order: Order, count: int) -> list[str]:
    """Give so many turns, each ending before the next one."""
    places: list[Place] = []
    for _ in range(count):
        places.append(called(order))
        order.leave(places[-1])
    return named(places)


class TestNext:
    def test_first_come_is_first_of_one_user(self) -> None:
        order = Order()
        places = waiting(order, *["acme/ann"] * 5)

        assert [called(order) for _ in range(5)] == places

    def test_tenants_take_turns(self) -> None:
        order = Order()
        waiting(order, *["flood/f"] * 5, "acme/ann", "acme/ann", "zeta/z")

        assert served(order, 8) == [
            *("flood/f", "acme/ann", "zeta/z", "flood/f", "acme/ann"),
            *["flood/f"] * 3,
        ]

    def test_users_of_a_tenant_take_turns(self) -> None:
        order = Order()
        waiting(order, *["acme/flood"] * 4, "acme/ann", "acme/bob")

        assert named(called(order) for _ in range(4)) == [
            *("acme/flood", "acme/ann", "acme/bob", "acme/flood")
        ]

    def test_many_users_are_no_more_than_one_tenant(self) -> None:
        order = Order()
        waiting(order, *[f"big/{number}" for number in range(6)], "small/s", "small/s")

        assert named(called(order) for _ in range(5)) == [
            *("big/0", "small/s", "big/1", "small/s", "big/2")
        ]

    def test_who_has_nothing_out_comes_before_all_that_have(self) -> None:
        order = Order()
        for _ in range(4):
            order.begin(Place("flood", "f"))
        waiting(order, *["flood/f"] * 200, "acme/ann")

        assert named([called(order)]) == ["acme/ann"]

    def test_long_runs_of_one_leave_the_other_its_share(self) -> None:
        """Two slots: one with a run that does not end is enough for whoever has such runs."""
        order = Order()
        waiting(order, *["long/l"] * 9, *["short/s"] * 9)
        assert named([called(order)]) == ["long/l"]

        assert served(order, 9) == ["short/s"] * 9


class TestRefusing:
    def test_a_flood_refuses_its_own_newest(self) -> None:
        order = Order()
        *_, newest = waiting(order, "acme/ann", *["acme/flood"] * 3)

        assert order.too_many(newest, of_its_tenant=True) is newest

    def test_whoever_has_little_takes_the_place_of_a_floods_newest(self) -> None:
        order = Order()
        *_, floods_last, ann = waiting(order, *["acme/flood"] * 3, "acme/ann")

        assert order.too_many(ann, of_its_tenant=True) is floods_last

    def test_where_all_have_as_much_the_newest_is_refused(self) -> None:
        order = Order()
        *_, newest = waiting(order, "acme/ann", "acme/bob", "acme/cleo")

        assert order.too_many(newest, of_its_tenant=True) is newest
        assert order.too_many(newest, of_its_tenant=False) is newest

    def test_of_all_tenants_it_is_the_one_with_the_most(self) -> None:
        order = Order()
        *_, third, _, newest = waiting(
            order, *[f"big/{name}" for name in ("a", "b", "b")], "small/s", "small/s"
        )

        assert order.too_many(newest, of_its_tenant=False) is third
        assert order.too_many(newest, of_its_tenant=True) is newest


class AgainstAPlainList(RuleBasedStateMachine):
    """Any course of events, told to `TurnOrder` and to a list that is searched each time."""

    places = Bundle("places")
    names = st.sampled_from("abc")

    def __init__(self) -> None:
        super().__init__()
        self.order = Order()
        self.queue: list[Place] = []
        self.out: list[Place] = []
        self.moments: dict[tuple[str, ...], int] = {}
        """When each tenant and user last had a turn, or came while it had nothing."""
        self.clock = 0

    def arrived(self, place: Place) -> Place:
        for who in ((place.tenant,), (place.tenant, place.user)):
            if not any(who == key(other, len(who)) for other in (*self.queue, *self.out)):
                self.note(who)
        return place

    def note(self, who: tuple[str, ...]) -> None:
        self.clock += 1
        self.moments[who] = self.clock

    def turned(self, place: Place) -> None:
        self.note((place.tenant,))
        self.note((place.tenant, place.user))
        self.out.append(place)

    @rule(target=places, tenant=names, user=names)
    def come_and_wait(self, tenant: str, user: str) -> Place:
        place = self.arrived(Place(tenant, user))
        self.order.wait(place)
        self.queue.append(place)
        return place

    @rule(target=places, tenant=names, user=names)
    def come_and_begin(self, tenant: str, user: str) -> Place:
        place = self.arrived(Place(tenant, user))
        self.order.begin(place)
        self.turned(place)
        return place

    @precondition(lambda self: self.queue)
    @rule()
    def be_next(self) -> None:
        out = Counter(key(place, depth) for place in self.out for depth in (1, 2))

        def least(depth: int, among: list[Place]) -> list[Place]:
            chosen = min(
                {key(place, depth) for place in among},
                key=lambda who: (out[who], self.moments[who]),
            )
            return [place for place in among if key(place, depth) == chosen]

        expected = least(2, least(1, self.queue))[0]

        assert called(self.order) is expected
        self.queue.remove(expected)
        self.turned(expected)

    @rule(place=consumes(places))
    def leave(self, place: Place) -> None:
        for _ in range(2):
            self.order.leave(place)
        assert place.stage is Stage.GONE
        for those in (self.queue, self.out):
            if place in those:
                those.remove(place)

    @precondition(lambda self: self.queue)
    @rule(of_its_tenant=st.booleans())
    def be_too_many(self, *, of_its_tenant: bool) -> None:
        newest = self.queue[-1]
        most = Counter(key(place, depth) for place in self.queue for depth in (1, 2))

        refused = self.order.too_many(newest, of_its_tenant=of_its_tenant)

        tenant = refused.tenant
        assert tenant == newest.tenant or (
            not of_its_tenant and most[tenant,] > most[newest.tenant,]
        )
        assert of_its_tenant or most[tenant,] == max(
            count for who, count in most.items() if len(who) == 1
        )
        assert most[tenant, refused.user] == max(
            count for who, count in most.items() if len(who) == 2 and who[0] == tenant
        )
        assert refused is [p for p in self.queue if key(p, 2) == key(refused, 2)][-1]

    @invariant()
    def counts_agree(self) -> None:
        assert self.order.waiting == len(self.queue)
        assert self.order.out == len(self.out)
        for tenant in "abc":
            count = sum(place.tenant == tenant for place in self.queue)
            assert self.order.waiting_of(tenant) == count


def key(place: Place, depth: int) -> tuple[str, ...]:
    """Name a place's tenant (1), or its user (2)."""
    return (place.tenant, place.user)[:depth]


TestAgainstAPlainList = AgainstAPlainList.TestCase
