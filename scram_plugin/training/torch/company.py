"""Finds out whether other models are trained in the same loop, such as a generator and its discriminator."""

LEAST = 3  # consecutive steps that follow another model's backward pass; a single skipped step does not count


class Company:
    """Counts the steps of this model in a row that follow a backward pass of another model."""

    def __init__(self) -> None:
        self._met = False
        self._steps = 0
        self.found = False  # whether another model is trained in the same loop

    def other(self, met: bool = True) -> None:
        """A backward pass was another model's, or one for another optimizer alone, or its gradients were discarded."""
        self._met |= met

    def step(self) -> None:
        """A step of this model has ended."""
        self._steps = self._steps + 1 if self._met else 0
        self._met = False
        self.found |= self._steps >= LEAST
