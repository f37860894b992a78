"""The card on the web: pages for people and documents for programs, read-only, from the views of one home."""
