"""What a large card costs: to fold, to read back, to verify, and to draw."""
