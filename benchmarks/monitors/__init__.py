"""Change detection: false alarms, delay and cost, beside what people use instead."""
