"""What a tag's value says, and how entries of one repository come and go beside others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlflow_triton.tag_entries import TagEntry, has_entry, read_tag, with_entry, without_entry

ENTRY = TagEntry("READY", "http://triton:8000", "", 3, "2026-11-29T09:30:00Z", "4f1c2a9e")
OTHER = replace(ENTRY, server="grpc://staging:8001", place="00000001")


def test_an_entry_is_for_people_too():
    assert str(ENTRY) == (
        "READY server=http://triton:8000 version=3 at=2026-11-29T09:30:00Z id=4f1c2a9e"
    )


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        replace(ENTRY, server="localhost:8000", host="a machine"),
        replace(ENTRY, version=None, state="UNAVAILABLE"),
        replace(ENTRY, server="grpc://a:8001,grpc://[::1]:8001"),
        replace(ENTRY, server="http://a:1/x; READY server=y id=00000001 ü%"),
        replace(ENTRY, server="k8s://default/triton:8001", servers="gpu-*,10.0.0.? ;"),
    ],
)
def test_what_was_written_is_read(entry):
    value = with_entry(str(OTHER), entry)
    assert read_tag(value) == (OTHER, entry)


def test_an_entry_takes_the_place_of_that_repositorys_only():
    both = with_entry(str(OTHER), ENTRY)
    newer = replace(ENTRY, version=4)
    assert read_tag(with_entry(both, newer)) == (OTHER, newer)
    assert without_entry(both, ENTRY.place) == str(OTHER)
    assert without_entry(str(ENTRY), ENTRY.place) == ""
    assert has_entry(both, ENTRY.place)
    assert not has_entry(str(OTHER), ENTRY.place)


def test_what_somebody_wrote_there_is_kept():
    value = with_entry("mine; and mine", ENTRY)
    assert value == f"mine; and mine; {ENTRY}"
    assert read_tag(value) == (ENTRY,)
    assert without_entry(value, ENTRY.place) == "mine; and mine"


def test_a_value_stays_below_what_registries_take():
    value = ""
    for number in range(100):
        value = with_entry(value, replace(ENTRY, place=f"{number:08x}"))
    assert len(value) <= 4000
    assert read_tag(value)[-1].place == f"{99:08x}"
    assert with_entry("x" * 5000, ENTRY) == str(ENTRY)
