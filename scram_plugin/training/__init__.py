"""The recorder: it measures raw statistics of a training and writes them as summaries. The heuristics evaluate them later."""
