"""Tables as files: CSV and Parquet read and written by column, and what was rejected."""
