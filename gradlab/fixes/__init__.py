"""`fix(run)`: from a verdict to a change that was tried.

The remedies of a verdict are tried one by one, then in pairs, from the same seeds. A change counts
as a cure if no error is left and the network learns on held-out data.

    result = gradlab.fix(run)
    print(result)          # what was tried, and the change that cures
    print(result.code)     # the training with that change, as Python

`search` knows no framework; `engine` is the bench of the built-in one.
"""

from gradlab.fixes.engine import fix
from gradlab.fixes.result import Fix
from gradlab.fixes.trial import Change, Score, Trial

__all__ = ["Change", "Fix", "Score", "Trial", "fix"]
