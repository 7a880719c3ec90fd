"""Seeds derived from names, so that no seed depends on the order in which things happen."""

from hashlib import blake2b


def derive_seed(*parts: object) -> int:
    """Return a seed in [0, 2**63) that is a hash of ``parts``; equal parts, equal seed, on every machine."""
    return int.from_bytes(_digest(parts)) >> 1


def short_id(*parts: object) -> str:
    """Return 16 hexadecimal digits that name ``parts``."""
    return _digest(parts).hex()


def _digest(parts: tuple[object, ...]) -> bytes:
    # Each part carries its length, so ("ab", "c") and ("a", "bc") differ.
    joined = b"".join(
        b"%d:%s" % (len(data), data) for data in (str(part).encode("utf-8", "surrogatepass") for part in parts)
    )
    return blake2b(joined, digest_size=8).digest()
