"""A file for each page of the desk: what is said, in blocks; nothing here knows HTTP."""
