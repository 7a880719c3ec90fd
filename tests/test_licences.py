"""A licence is what the user says, in the Hub's words, or a question back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.licences import HUB_LICENCES, check_license, license_fields


@pytest.mark.parametrize("known", sorted(HUB_LICENCES))
def test_the_hubs_identifiers_stand_for_themselves(known: str) -> None:
    assert check_license(known) == check_license(f" {known.upper()} ") == known
    assert license_fields(known) == {"license": known}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("MIT License", "mit"),
        ("Apache 2.0", "apache-2.0"),
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("cc_by_4.0", "cc-by-4.0"),
        ("house-terms-2", "house-terms-2"),
        ("House-Terms=https://example.org/a=b", "house-terms=https://example.org/a=b"),
    ],
)
def test_common_ways_of_writing_are_understood(said: str, kept: str) -> None:
    assert check_license(said) == check_license(kept) == kept


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("cc-by", "cc-by-4.0"),
        ("cc0", "cc0-1.0"),
        ("apache", "apache-2.0"),
        ("apach-2.0", "apache-2.0"),
        ("gpl v3", "gpl-3.0"),
    ],
)
def test_a_misspelt_one_is_asked_about(said: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"did you mean {meant}\\?"):
        check_license(said)


@pytest.mark.parametrize(
    "said", ["", "other", "mit=https://x.org", "house=", "house=ftp://x", "a/b", "ünd", "=https://x"]
)
def test_what_names_no_licence_is_refused(said: str) -> None:
    with pytest.raises(UserError, match="--license"):
        check_license(said)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=30))
def test_whatever_is_kept_is_kept_again_and_valid_on_the_hub(said: str) -> None:
    try:
        kept = check_license(said)
    except UserError:
        return
    assert check_license(kept) == kept
    fields = license_fields(kept)
    assert fields["license"] in HUB_LICENCES or (fields["license"] == "other" and fields["license_name"])
