"""Three stores behind one interface: SQLite in one file, PostgreSQL, and a records vendor over HTTP."""
