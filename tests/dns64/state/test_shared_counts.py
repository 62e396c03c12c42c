"""Connections counted in memory that several workers share."""

from ipaddress import IPv4Address

from kun_dns64.state.shared_counts import ROW_BYTES, SharedCounts

CLIENT, OTHER = "192.0.2.1", "192.0.2.2"


def workers(count: int) -> list[SharedCounts]:
    table = memoryview(bytearray(count * ROW_BYTES))
    return [SharedCounts(count, own, table, b"key") for own in range(count)]


def test_each_sees_what_the_others_have_and_not_its_own() -> None:
    first, second, third = workers(3)
    for counts, many in ((first, 2), (second, 3)):
        for _ in range(many):
            counts.add(CLIENT, 1)
    third.add(OTHER, 1)
    assert [one.elsewhere(CLIENT) for one in (first, second, third)] == [3, 2, 5]
    assert [one.all_elsewhere() for one in (first, second, third)] == [4, 3, 5]
    second.add(CLIENT, -1)
    assert first.elsewhere(CLIENT) == 2


def test_a_worker_that_died_has_none() -> None:
    first, second = workers(2)
    first.add(CLIENT, 1)
    second.add(CLIENT, 1)
    first.forget()
    assert (second.elsewhere(CLIENT), second.all_elsewhere()) == (0, 0)
    assert first.elsewhere(CLIENT) == 1


def test_addresses_of_one_slash_56_are_one_client() -> None:
    first, second = workers(2)
    first.add("2001:db8:0:1::1", 1)
    assert second.elsewhere("2001:db8:0:2::99") == 1
    assert second.elsewhere("2001:db8:1:1::1") == 0


def test_thousands_of_clients_are_counted_for_few_others() -> None:
    first, second = workers(2)
    for number in range(1000):
        first.add(str(IPv4Address(0x0A000000 + number)), 1)
    wrong = sum(second.elsewhere(str(IPv4Address(0x0B000000 + number))) > 0 for number in range(1000))
    assert wrong < 60
