"""Measurements of the project, side by side with its peers. What they printed stands in README.md."""
