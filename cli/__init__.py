"""The command line: prompts, tables, progress and exit codes live only here."""
