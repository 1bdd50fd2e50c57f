"""PID 1 of a sandbox: takes one job over stdin, runs it, and reports over stdout."""
