"""docs/clients.md says what passed, no more and no less. Named so that it runs after the clients."""

import re

import pytest
from packaging.requirements import Requirement

from clients import environments, results, table
from clients.registry import CLIENTS

NEXT = "write it anew: python tests/clients/table.py"


def test_rows_say_what_passed() -> None:
    passed = results.passed()
    if not passed:
        pytest.skip("no client ran")
    page = table.on_page()
    for client in CLIENTS:
        if client.name in passed:
            assert table.row(client, **passed[client.name]) in page, f"{client.name}: {NEXT}"


def test_page_has_every_client_and_its_configuration() -> None:
    page = table.on_page()
    for client in CLIENTS:
        assert f"| {client.name} |" in page, NEXT
        assert client.configuration in page, f"{client.name}: {NEXT}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_wanted(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate()


@pytest.mark.parametrize("name", environments.ENVIRONMENTS)
def test_lock_has_what_the_table_pins(name: str) -> None:
    locked = environments.lock_of(name).read_text(encoding="utf-8").splitlines()
    wanted = [each for each in map(Requirement, environments.ENVIRONMENTS[name]) if _is_wanted(each)]
    versions = {_plain(each.name): each for each in map(Requirement, locked)}
    for each in wanted:  # pins, and yesrank's own requirements, which are ranges
        found = next(iter(versions[_plain(each.name)].specifier)).version
        assert each.specifier.contains(found), f"{each}: the lock has {found}"
    assert all("==" in line and "://" not in line for line in locked)


def test_node_lock_names_no_registry() -> None:
    lock = (environments.HERE / "node" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
