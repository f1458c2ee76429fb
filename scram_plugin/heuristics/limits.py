"""Numbers that several checks share. One that a single check uses stands in the module of that check.

A comment says what the number means, its unit, and where it comes from: a paper, a rule, a framework's default, what it is by
definition, or the benchmark that prints how far it can move before an answer is wrong.
"""

from __future__ import annotations

SIGMAS = 3.0  # standard deviations from which on a difference is no chance; three-sigma rule
FOR_A_LEVEL = 3  # points: the fewest whose median a single outlier does not move; by definition
ENDS = 0.2  # share of a curve's points at each end, of which a level is the median; by bench-limits
HALF_BATCHES = 0.5  # share of the measured batches, the later ones; by definition
LATE_BATCHES = 0.3  # share of the measured batches that show the state at the end; by bench-limits
THIRD, QUARTER, TENTH = 3, 4, 10  # parts of a curve; by definition
TINY = 1e-12  # stands for 0 in a divisor: far below a loss in float32; by definition
ROUNDED = 1e-6  # relative: a smaller difference is rounding; float32 has about 7 digits (IEEE 754)
USUAL_RANGE = (0.1, 0.9)  # quantiles between which a curve usually is; spikes lie outside of them; by bench-limits
ACCURATE = 0.9  # accuracy from which on little is left to learn; by bench-limits
LARGE_WEIGHTS = 3.0  # initial weights, in multiples of Glorot's, that explain large outputs; by bench-limits
LARGE_INPUTS = 3.0  # root mean square of inputs that explains large outputs; standardised inputs have 1 (LeCun et al., 1998)
ALMOST = 0.9  # share that counts as nearly all; by bench-limits
MOSTLY = 0.5  # share of the recorded steps; by definition
BYTE = 255  # the largest value of a byte; by definition
BRIGHT = 100  # the largest value of a photograph's bytes, at least; a mask or a count may stay below; by definition
BEGUN = 0.9  # of the first loss: below that the model has begun to learn, whatever the rate; by bench-limits
