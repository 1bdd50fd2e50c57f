"""What goes into the sandbox image. Standard library only: it runs inside."""
