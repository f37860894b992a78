"""Records: edits, views, monitor state and baselines in SQLite or PostgreSQL. The only room that knows SQLModel."""
