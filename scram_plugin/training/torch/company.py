"""Whether a model is trained alone, or another one beside it, as a generator and its opponent, or an actor and its critic."""

LEAST = 3  # steps one after another that another model's way back came before: a skipped step alone does not


class Company:
    """Told of ways back that are no part of this model's next step, and of its steps, in turn."""

    def __init__(self) -> None:
        self._met = False
        self._steps = 0
        self.found = False  # another model is trained beside this one

    def other(self) -> None:
        """A way back was another model's, or its gradients were thrown away."""
        self._met = True

    def step(self) -> None:
        self._steps = self._steps + 1 if self._met else 0
        self._met = False
        self.found |= self._steps >= LEAST
