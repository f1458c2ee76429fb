"""How long the runs of a proof train, by the log that has the finding."""

from dataclasses import replace

from scram_plugin.fixing.length import LONGEST_BY_ITSELF, needed
from scram_plugin.fixing.proof import SECONDS_OF_A_RUN
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.paths import DEMO_LOGS


def of(name):
    run = next(run for run in training_runs(read(DEMO_LOGS)) if run.name == name)
    return run, review(run, catalogue()).findings[0]


def test_overfitting_needs_the_epochs_after_which_it_shows():
    run, finding = of("fashion_mnist/overfit")
    assert needed(run, finding, catalogue()).seconds == LONGEST_BY_ITSELF

    class Faster:
        """The same log of a machine that is ten times as fast."""

        def __getattr__(self, name):
            return getattr(run, name)

        def signal(self, name):
            curve = run.signal(name)
            return replace(curve, wall_times=curve.wall_times[0] + (curve.wall_times - curve.wall_times[0]) / 10)

    assert needed(Faster(), finding, catalogue()).seconds == SECONDS_OF_A_RUN


def test_what_shows_in_batches_needs_no_more_than_usual():
    run, finding = of("movie_reviews/lr_1e10")
    assert needed(run, finding, catalogue()).seconds == SECONDS_OF_A_RUN
