"""The one kind of error that a command shows as a sentence instead of a traceback."""


class UserError(Exception):
    """Something that the user gave cannot work; the message is one sentence that names it and the mend."""


def find_user_error(error: BaseException | None) -> UserError | None:
    """Return the user's error behind an exception, if there is one."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error
