"""The sections of the page, a module for each thing that leaders ask about."""
