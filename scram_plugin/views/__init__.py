"""What the tab shows of a training run in addition to its findings."""
