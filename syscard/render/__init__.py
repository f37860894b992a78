"""Everything that turns a view into something to read. Each module is one face; all of them read `syscard.faces`."""
