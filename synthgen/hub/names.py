"""What can name a repository and a branch, told before anything is read or asked."""

import re

from synthgen.errors import UserError

_NO_BRANCH = re.compile(r"[\s~^:?*\[\\\x00-\x1f\x7f]|\.\.|//|@\{|/\.|\.lock(/|$)|^[-./]|[./]$")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def check_names(repo: str, branch: str | None) -> None:
    """Raise ``UserError`` where one cannot be a name on the Hub, or in git."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise UserError(
            f"{repo!r} cannot name a repository; give user/name, of letters, digits, '-', '_' and '.' and at most 96 "
            "characters, such as --repo jane/imdb-synthetic."
        ) from None
    if branch is not None and (not branch or _NO_BRANCH.search(branch) or _COMMIT.fullmatch(branch)):
        raise UserError(f"{branch!r} cannot name a branch; give one such as --revision v2.")
