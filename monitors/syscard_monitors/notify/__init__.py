"""Telling people: what is to be told and when, whom, and how it gets there."""
