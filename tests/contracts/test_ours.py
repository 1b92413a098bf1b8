"""All that coprocsim comes with keeps what the conformance checks ask of everybody's parts."""

from collections.abc import Iterator

import pytest

from coprocsim.conformance import KINDS, Part, judge

SCENARIOS = 8
SCENARIOS_AT_LENGTH = 150


def _checks() -> Iterator[object]:
    for kind, each in KINDS.items():
        for name, found in each.names().items():
            part = each.part(found, name)
            for check in part.checks:
                yield pytest.param(part, check.name, id=f"{kind}-{name}: {check.name}")


CHECKS = list(_checks())


def keeps(part: Part, name: str, scenarios: int) -> None:
    check = next(each for each in part.checks if each.name == name)
    verdict = judge(check, scenarios)
    assert verdict.outcome != "failed", verdict


@pytest.mark.parametrize(("part", "check"), CHECKS)
def test_ours_keep_the_rules(part: Part, check: str):
    keeps(part, check, SCENARIOS)


@pytest.mark.slow
@pytest.mark.parametrize(("part", "check"), CHECKS)
def test_ours_keep_the_rules_in_more_scenarios(part: Part, check: str):
    keeps(part, check, SCENARIOS_AT_LENGTH)
