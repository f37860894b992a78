"""What it costs to take spans: this project, two peers, and a server that only parses."""
