"""The one kind of error that a command shows as a sentence instead of a traceback."""


class UserError(Exception):
    """Something that the user gave cannot work; the message is one sentence that names it and the mend."""
