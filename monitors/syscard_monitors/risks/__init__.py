"""Interaction risks: what goes wrong between parts. One module a risk or a small family; `registry` lists them."""
