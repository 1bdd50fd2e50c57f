"""Why somebody is not let in. `api.errors` says what each one is answered."""


class NotLetInError(Exception):
    """The request is not from anybody we serve."""


class UnauthorizedError(NotLetInError):
    """The request's credentials open nothing."""


class KeyMissingError(UnauthorizedError):
    """There are none."""


class KeyInvalidError(UnauthorizedError):
    """They are not a key of ours."""


class TokenMissingError(UnauthorizedError):
    """There are none, where tokens are what most callers have."""


class TokenInvalidError(UnauthorizedError):
    """They are a token that proves nothing. The text is for the log, and quotes none of it."""


class TokensMisconfiguredError(NotLetInError):
    """Tokens are asked for, and no key is left to verify one with."""


class ForeignPageError(NotLetInError):
    """A browser was led here by a page that is not of this machine (see `api.local_mode`)."""
