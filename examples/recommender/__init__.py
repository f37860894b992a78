"""A real recommender to watch: collaborative filtering, a model that reads pictures, a language model that says why.

Everything runs offline on a CPU. What each module does, and what was measured, stands in this folder's README.
"""
