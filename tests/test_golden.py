"""The replay of scenarios: ours, worked out by hand from the original's rules, come out the same; a false one does not.

The rows of `golden/own.jsonl` are: one wakes and sleeps; a wake at the head preempts, then slices in turn, the IOMMU
off before it is on; a denial of 30 ns and one more of 5; a sleep during a denial; the running one is destroyed, then
a sleeping one; a yield, and two coprocs side by side.
"""

import copy
import json
from pathlib import Path

import pytest

from tests.golden import replay

OWN = Path(__file__).parent / "golden" / "own.jsonl"
SCENARIOS: list[replay.Scenario] = [json.loads(line) for line in OWN.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("number", range(len(SCENARIOS)))
def test_a_scenario_comes_out_as_worked_out_by_hand(number: int):
    assert replay.difference(SCENARIOS[number]) is None


def test_the_replay_counts_and_its_status_says_whether_all_are_identical(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert replay.main(str(OWN)) == 0
    assert capsys.readouterr().out == "6/6 identical\n"
    false = copy.deepcopy(SCENARIOS[0])
    false["trace"][2][0] = 101
    path = tmp_path / "false.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in (false, SCENARIOS[1])), "utf-8")
    assert replay.main(str(path)) == 1
    assert capsys.readouterr().out == (
        "line 1: row 2: ours [100, 'c0', 'switch_to', 'v0', 0], the original's [101, 'c0', 'switch_to', 'v0', 0]\n"
        "1/2 identical\n"
    )


def test_a_row_too_few_or_a_false_end_is_a_difference_too():
    short, false = copy.deepcopy(SCENARIOS[0]), copy.deepcopy(SCENARIOS[0])
    short["trace"].pop()
    false["final"]["v0"]["ran_ns"] = 199
    assert replay.difference(short) == "7 rows, the original has 6"
    found = replay.difference(false)
    assert found is not None
    assert found.startswith("v0 in the end: ours {'state': 'SLEEPING', 'ran_ns': 200,")
