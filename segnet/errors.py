"""The one kind of error that a command shows as a sentence instead of a traceback."""


class UserError(Exception):
    """Something that the user gave cannot work; the message is one sentence that names it and the mend."""


def require(holds: bool, setting: str, value: object, allowed: str) -> None:
    """Refuse the value of a setting that is out of its range.

    Args:
        holds: whether the value is allowed; write it so that NaN is not, as in ``0 < value``.
        setting: as it is set on the command line, such as ``data.batch_size``.
        value: what was given.
        allowed: what may be given instead, such as "an integer from 1 up".

    Raises:
        UserError: it is not allowed.
    """
    if not holds:
        shown = f"[{','.join(map(str, value))}]" if isinstance(value, (list, tuple)) else value
        raise UserError(f"{setting}={shown} is not allowed: give {allowed}")


def find_user_error(error: BaseException | None) -> UserError | None:
    """Return the user's error behind an exception, if there is one."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error
