"""Members of zip archives: what a file may contain, and how large it may become."""

from __future__ import annotations

import zipfile
from collections.abc import Callable

# What a compressed archive may expand to, whatever its size: a small table of equal numbers compresses well.
_ALWAYS_ALLOWED_BYTES = 2**26
_MAX_EXPANSION = 20


def check_members(
    archive: zipfile.ZipFile, size_bytes: int, is_known: Callable[[str], bool], *, compressed: bool
) -> None:
    """Checks the directory of an archive before a member is read.

    Args:
        archive: The archive.
        size_bytes: Size of its file.
        is_known: Tells whether a file of this kind may have a member of this name.
        compressed: Whether members may be compressed. Together they may then expand to 20 times the file's size.

    Raises:
        ValueError: A member is unknown, repeated, outside of the archive's folder, encrypted or compressed, or the
            members are larger than the file.

    Example:
        >>> import io
        >>> content = io.BytesIO()
        >>> with zipfile.ZipFile(content, "w") as archive:
        ...     archive.writestr("../profile", "...")
        >>> with zipfile.ZipFile(content) as archive:
        ...     check_members(archive, len(content.getvalue()), lambda name: True, compressed=False)
        Traceback (most recent call last):
        ValueError: the member '../profile' is outside of the archive
    """
    members = archive.infolist()
    names = [member.orig_filename for member in members]
    for member, name in zip(members, names, strict=True):
        shown = repr(name[:80])
        # zipfile cuts a name at a NUL, and Windows reads a backslash as a slash
        if name != member.filename or "\\" in name or ":" in name or name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"the member {shown} is outside of the archive")
        if not is_known(name):
            raise ValueError(f"the member {shown} is unknown")
        if member.flag_bits & 1:
            raise ValueError(f"the member {shown} is encrypted")
        if member.compress_type != zipfile.ZIP_STORED and not (
            compressed and member.compress_type == zipfile.ZIP_DEFLATED
        ):
            raise ValueError(f"the member {shown} is compressed")
        if member.compress_type == zipfile.ZIP_STORED and member.file_size != member.compress_size:
            raise ValueError(f"the member {shown} has two sizes")
    if len(set(names)) != len(names):
        raise ValueError("a member occurs twice")
    expanded = sum(member.file_size for member in members)
    if expanded > (max(_MAX_EXPANSION * size_bytes, _ALWAYS_ALLOWED_BYTES) if compressed else size_bytes):
        raise ValueError(f"its {size_bytes} bytes would expand to {expanded}")
