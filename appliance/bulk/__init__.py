"""Bulk jobs: files of numbers converted, re-keyed or counted, by column, resumed after a kill."""
