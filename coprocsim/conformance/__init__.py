"""What a part must keep to work with the others, as checks that run on anybody's: ours, and those of other packages.

    for check in KINDS["scheduler"].part(Mine, "mine").checks:
        assert judge(check, 100).outcome != "failed"

This room alone needs Hypothesis (`pip install coprocsim[conformance]`), and is imported only by who wants to check.
"""

from coprocsim.conformance.base import Failure, no_notes
from coprocsim.conformance.kinds import KINDS, Bound, Part, Verdict, judge, part_named

__all__ = ["KINDS", "Bound", "Failure", "Part", "Verdict", "judge", "no_notes", "part_named"]
