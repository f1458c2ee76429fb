"""The command `scram`: one file for each command."""
