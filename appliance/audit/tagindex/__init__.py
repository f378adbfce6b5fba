"""The index of subject tags: which records may be about one person; all of it can be made anew from the log."""
