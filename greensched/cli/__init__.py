"""The command line: click commands, what they print, exit codes, logging."""
