"""Observations in, findings out: requests, signals, drift, claims, incidents. Import the module you need."""
