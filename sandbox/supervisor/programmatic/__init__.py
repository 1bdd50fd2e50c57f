"""Programs that call tools: what runs in the program's process, and its line to PID 1."""
