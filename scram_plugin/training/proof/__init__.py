"""One run of a proof: a program of the user's, watched, with given seeds, until a small budget is used up."""
