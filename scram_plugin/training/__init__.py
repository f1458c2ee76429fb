"""The training side: raw statistics of a training, written as summaries. It judges nothing."""
