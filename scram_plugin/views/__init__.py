"""What the tab and the reports show of a training run beside its findings."""
