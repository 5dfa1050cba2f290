"""The one kind of error that a command shows as a sentence instead of a traceback."""

import errno

NO_PLACE = {errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""What a system says where a file cannot grow."""
NO_ACCESS = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG}
"""What a system says where a file or folder cannot be used as it is."""


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


def find_system_error(error: BaseException | None) -> UserError | None:
    """Return a sentence about the file that the system refused, if that is behind an exception."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_PLACE | NO_ACCESS and error.filename is not None:
            return UserError(
                f"{error.filename} cannot be read or written ({error.strerror}): mend that, or name another"
            )
        error = error.__cause__ or error.__context__
    return None
