"""Both commands of the README on a machine that has Python, git and make, and nothing else."""
