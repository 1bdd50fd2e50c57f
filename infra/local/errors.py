"""What stops a command. The message says what to do; no traceback is shown.

* LocalError
  * BadSettingError       a variable or an option has a value that cannot be used
  * AlreadyRunningError   another `up` uses the same work folder
  * EngineError           no container engine can be used, and we may not or cannot help it
  * ChildFailedError      a process ended, or stayed silent, before it was ready
"""


class LocalError(Exception):
    """A command cannot go on; the message is for the person who typed it."""


class BadSettingError(LocalError):
    """A variable or an option has a value that cannot be used."""


class AlreadyRunningError(LocalError):
    """Another `up` uses the same work folder."""


class EngineError(LocalError):
    """No container engine can be used, and we may not or cannot change that."""


class ChildFailedError(LocalError):
    """A process ended, or stayed silent, before it was ready."""
