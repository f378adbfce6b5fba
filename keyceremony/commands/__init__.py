"""The command line, a file for each group of commands; each only gathers input and prints results."""
