"""Names of machine types in an order for people."""

from frontend.names import newest_first
from frontend.templatetags.lockstep import short


def test_the_newest_version_of_the_newest_board_comes_first() -> None:
    names = ["none", "pc-i440fx-rhel7.6.0", "pc-q35-rhel9.2.0", "pc-q35-rhel9.10.0", "microvm"]
    assert newest_first(names)[:3] == (
        "pc-q35-rhel9.10.0",
        "pc-q35-rhel9.2.0",
        "pc-i440fx-rhel7.6.0",
    )


def test_only_a_hash_is_shortened() -> None:
    assert short("4643913a5c1f9e0d7b66") == "4643913a5c1f"
    assert short("scsi: save reservation state") == "scsi: save reservation state"
