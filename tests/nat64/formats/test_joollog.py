from datetime import UTC, datetime

import pytest

from kun_nat64.formats.joollog import parse_line, says_exhausted

MAPPED = "6,1,2,-;Jool: kun 2026/1/2 3:50:26 (GMT) - Mapped 2002:a01:2:1::10#41422 to 192.0.2.11#29880 (TCP)"


def test_a_new_mapping_is_read() -> None:
    found = parse_line(MAPPED)
    assert found is not None
    assert (found.instance, found.made) == ("kun", True)
    assert found.at == datetime(2026, 1, 2, 3, 50, 26, tzinfo=UTC)
    assert str(found.binding.inside) == "[2002:a01:2:1::10]:41422"
    assert str(found.binding.outside) == "192.0.2.11:29880"


def test_the_end_of_a_mapping_is_told_from_its_beginning() -> None:
    found = parse_line(MAPPED.replace("Mapped", "Forgot"))
    assert found is not None
    assert not found.made


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Jool: Deleted instance 'kun'.",
        MAPPED.replace("2026/1/2", "2026/13/45"),
        MAPPED.replace("192.0.2.11", "192.0.2.999"),
        MAPPED.replace("Mapped", "Added session"),
    ],
)
def test_other_lines_are_passed_over(line: str) -> None:
    assert parse_line(line) is None


def test_the_warning_of_an_exhausted_pool_is_recognised() -> None:
    line = "Jool WARNING (find_bib_session6): I'm running out of pool4 addresses for mark 0."
    assert says_exhausted(line)
    assert not says_exhausted(MAPPED)
