"""Questions that a training run raises, each answered by a chain of evidence from its log.

After the Whyline (Ko and Myers, 2004): people ask why something happened, or why it did not.
"""
