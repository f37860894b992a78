"""Everything that meets a terminal: the command line (where the rooms are wired together) and the full-screen app."""
