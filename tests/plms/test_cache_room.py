"""A cache with room to grow holds what a plain one does, and moves the past only now and then."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from synthgen.plms.engines.cache import ROOM, RoomyLayer


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_a_cache_has_room_in_inference_mode() -> None:
    layer, places = RoomyLayer(), set()
    for _ in range(2 * ROOM):
        keys, _ = layer.update(torch.randn(3, 2, 1, 4), torch.randn(3, 2, 1, 4))
        places.add(keys.data_ptr())
    assert len(places) <= 4


@given(steps=st.lists(st.one_of(st.integers(1, 40), st.just(0), st.just(-2)), max_size=12), inference=st.booleans())
def test_a_cache_with_room_holds_what_a_plain_one_does(steps: list[int], inference: bool) -> None:
    """Positive steps append so many tokens, 0 lets every other row go and repeats the first, -2 crops."""
    with torch.inference_mode(inference):
        plain, room, rows = DynamicLayer(), RoomyLayer(), 5
        for step in [1, *steps]:
            if step > 0:
                new = torch.randn(rows, 2, step, 4), torch.randn(rows, 2, step, 3)
                plain.update(*new)
                room.update(*new)
            elif step == 0:
                kept = torch.tensor([0, *range(0, rows, 2)])
                plain.batch_select_indices(kept)
                room.batch_select_indices(kept)
                rows = len(kept)
            elif plain.get_seq_length() > 2:
                plain.crop(step)
                room.crop(step)
            assert torch.equal(plain.keys, room.keys)
            assert torch.equal(plain.values, room.values)
