"""The temporal networks over stored answers: of published form, centred, and able to learn."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from d3ke.errors import D3keError
from d3ke.network.sequence import (
    SEQUENCE,
    STRIDES,
    Level,
    Lstm,
    PostNormBlock,
    SequenceNetwork,
    StridedTransformer,
    Tcn,
)

INPUTS, OUTPUTS, WIDTH = 5, 4, 32
NAMES = tuple(SEQUENCE)
WAVES = (math.sin, math.cos)
TOLERANCE = 1e-5  # the transformer keeps its place codes in single precision


def small(name: str, window: int = 27) -> SequenceNetwork:
    torch.manual_seed(0)
    return SEQUENCE[name](INPUTS, OUTPUTS, window, WIDTH).eval()


def rows_of(window: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, window, INPUTS, generator=torch.Generator().manual_seed(1))


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_transformer_is_as_large_as_published() -> None:
    inputs, outputs, d = 567, 126, 256
    attention, norms = 4 * (d * d + d), 2 * 2 * d
    mlp, mlp_bias = 2 * d * 2 * d, 2 * d + d
    vanilla, strided = attention + norms + mlp + mlp_bias, attention + norms + mlp
    by_hand = (inputs * d + d) + 3 * vanilla + 3 * strided + 2 * (d * outputs + outputs)
    assert by_hand == 3_370_492  # 3.37 M
    assert parameters(StridedTransformer(inputs, outputs, 243, 0)) == by_hand


def test_tcn_is_as_large_as_its_published_form() -> None:
    # VideoPose3D states 16.95 M for 17 joints, 2D in and 3D out, over 243 frames.
    assert parameters(Tcn(34, 51, 243, 0)) == pytest.approx(16.95e6, abs=0.005e6)


def test_lstm_is_of_published_size() -> None:
    d, gates = 512, 4
    first, later = 567, 2 * d
    one_way = [gates * d * (inputs + d + 2) for inputs in (first, later, later)]
    by_hand = 2 * sum(one_way) + later * 126 + 126
    assert parameters(Lstm(567, 126, 243, 0)) == by_hand


@pytest.mark.parametrize("window", STRIDES)
def test_strides_leave_one_frame(window: int) -> None:
    assert math.prod(STRIDES[window]) == window


@pytest.mark.parametrize("window", STRIDES)
@pytest.mark.parametrize("name", NAMES)
def test_shapes(name: str, window: int) -> None:
    with torch.no_grad():
        said = small(name, window)(rows_of(window, batch=3))
    assert said.centre.shape == (3, OUTPUTS)
    if name == "tcn":
        assert said.frames is None
    else:
        assert said.frames.shape == (3, window, OUTPUTS)


@pytest.mark.parametrize("name", NAMES)
def test_another_window_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(D3keError, match=r"window of 100 frames: give 9, 27, 81, 243\.$"):
        SEQUENCE[name](INPUTS, OUTPUTS, 100, 0)


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(D3keError, match="36 wide: give a multiple of 8"):
        StridedTransformer(INPUTS, OUTPUTS, 27, 36)


@pytest.mark.parametrize("name", NAMES)
def test_every_frame_and_no_other_window_influences_the_centre(name: str) -> None:
    rows = rows_of(27).requires_grad_()
    small(name)(rows).centre[0].sum().backward()
    influence = rows.grad.abs().sum(dim=2)  # type: ignore[union-attr]
    assert (influence[0] > 0).all()
    assert (influence[1] == 0).all()


def test_influence_on_the_tcn_reaches_from_the_first_frame_to_the_last_of_243() -> None:
    rows = rows_of(243).requires_grad_()
    small("tcn", 243)(rows).centre[0].sum().backward()
    assert (rows.grad[0].abs().sum(dim=1) > 0).all()  # type: ignore[index]


def test_lstm_answers_for_the_middle_frame() -> None:
    said = small("lstm")(rows_of(27))
    assert said.frames is not None
    torch.testing.assert_close(said.centre, said.frames[:, 13])


def test_transformer_tells_frames_apart_by_their_place() -> None:
    still = torch.ones(1, 27, INPUTS)
    frames = small("transformer")(still).frames
    assert (frames[0, 1:] - frames[0, :-1]).abs().amax(dim=1).min() > 1e-4


def test_post_norm_block_equals_torchs_own_encoder_layer() -> None:
    torch.manual_seed(0)
    block = PostNormBlock(WIDTH).double()
    torchs = nn.TransformerEncoderLayer(
        WIDTH, 8, 2 * WIDTH, dropout=0.0, batch_first=True, dtype=torch.float64
    )
    attention = torchs.self_attn
    with torch.no_grad():
        attention.in_proj_weight.copy_(torch.cat([block.query.weight, block.key_value.weight]))
        attention.in_proj_bias.copy_(torch.cat([block.query.bias, block.key_value.bias]))
    attention.out_proj.load_state_dict(block.out.state_dict())
    torchs.linear1.load_state_dict(block.mlp[0].state_dict())
    torchs.linear2.load_state_dict(block.mlp[2].state_dict())
    for own in (torchs.norm1, torchs.norm2, block.after_attention, block.after_mlp):
        nn.init.normal_(own.weight)
    torchs.norm1.load_state_dict(block.after_attention.state_dict())
    torchs.norm2.load_state_dict(block.after_mlp.state_dict())
    frames = torch.randn(2, 7, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(block(frames), torchs(frames))


def convolved(layer: nn.Module, maps: Tensor, size: int, stride: int = 1) -> Tensor:
    """Maps (..., C, T) through a convolution that has the weights of a Linear of `size` frames."""
    assert isinstance(layer, nn.Linear)
    weight = layer.weight.unflatten(1, (size, -1)).transpose(1, 2)  # (out, C, size)
    return functional.conv1d(maps, weight, layer.bias, stride)


def slow_block(block: nn.Module, frames: Tensor) -> Tensor:
    """The published order for one window (T, width): all frames, thinned in the last layer."""
    assert isinstance(block, PostNormBlock)
    query = block.query(frames)
    key, value = block.key_value(frames).split(frames.shape[1], dim=1)
    size = frames.shape[1] // 8
    heads = []
    for head in range(8):
        own = slice(head * size, (head + 1) * size)
        weights = (query[:, own] @ key[:, own].T / size**0.5).exp()
        heads.append(weights / weights.sum(dim=1, keepdim=True) @ value[:, own])
    frames = block.after_attention(frames + block.out(torch.cat(heads, dim=1)))
    hidden = convolved(block.mlp[0], frames.T, 1).relu()
    begin, stride = block.stride // 2, block.stride
    mixed = convolved(block.mlp[2], hidden[:, begin:], 1, stride)
    kept = torch.stack([frames[index] for index in range(begin, len(frames), stride)])
    thinned: Tensor = block.after_mlp(kept + mixed.T)
    return thinned


@pytest.mark.parametrize("stride", [1, 3, 9])
def test_block_equals_its_slow_form(stride: int) -> None:
    torch.manual_seed(0)
    block = PostNormBlock(WIDTH, stride, bias=stride == 1).double()
    frames = torch.randn(2, 27, WIDTH, dtype=torch.float64)
    slow = torch.stack([slow_block(block, window) for window in frames])
    assert slow.shape == (2, 27 // stride, WIDTH)
    torch.testing.assert_close(block(frames), slow)


def test_transformer_equals_its_slow_form() -> None:
    network = StridedTransformer(INPUTS, OUTPUTS, 27, WIDTH).double()
    rows = rows_of(27).double()
    codes = [
        [wave(place / 10_000 ** (pair / WIDTH)) for pair in range(0, WIDTH, 2) for wave in WAVES]
        for place in range(27)
    ]
    places = torch.tensor(codes, dtype=torch.float64)
    said = network(rows)
    for index, window in enumerate(rows):
        frames = network.enter(window) + places
        for block in network.blocks:
            frames = slow_block(block, frames)
        left = slow_block(network.strided[0], frames + places)
        left = slow_block(network.strided[1], left + places[:9])
        assert (said.frames[index] - network.of_frames(frames)).abs().max() < TOLERANCE
        assert (said.centre[index] - network.of_centre(left[0])).abs().max() < TOLERANCE


def test_tcn_equals_convolutions() -> None:
    network = Tcn(INPUTS, OUTPUTS, 9, WIDTH).eval().double()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d):  # as a training would leave it
            assert part.running_mean is not None
            assert part.running_var is not None
            nn.init.uniform_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.normal_(part.weight)
    (level,) = network.levels
    assert isinstance(level, Level)
    rows = rows_of(9).double()

    maps = rows.transpose(1, 2)  # (B, C, T)
    maps = network.enter.norm(convolved(network.enter.linear, maps, 3, 3)).relu()
    mixed = level.three.norm(convolved(level.three.linear, maps, 3, 3)).relu()
    maps = maps[..., 1:2] + level.one.norm(convolved(level.one.linear, mixed, 1)).relu()
    torch.testing.assert_close(network(rows).centre, network.of_centre(maps[..., 0]))


@pytest.mark.parametrize("name", NAMES)
def test_start_at_begins_near_the_given_answer(name: str) -> None:
    network, begin = small(name), torch.tensor([3.0, -2.0, 0.0, 1.0])
    usual = network(rows_of(27)).centre
    usual = usual - network.output_layers()[0].bias
    network.start_at(begin)
    said = network(rows_of(27))
    torch.testing.assert_close(said.centre - begin, 0.1 * usual)
    if said.frames is not None:
        assert (said.frames - begin).abs().max() < 0.5


def test_bn_momentum_falls_exponentially() -> None:
    network = small("tcn")
    seen = []
    for share in (0.0, 0.5, 1.0):
        network.set_bn_momentum(share)
        (momentum,) = {m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm1d)}
        seen.append(momentum)
        network.set_bn_momentum(share, least=0.05)
        (floored,) = {m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm1d)}
        assert floored == max(0.05, momentum or 0.0)
    assert seen == pytest.approx([0.1, 0.01, 0.001])


@pytest.mark.parametrize("name", NAMES)
def test_learns_a_few_windows_by_heart(name: str) -> None:
    network, rows = small(name, 9).train(), rows_of(9, batch=16)
    targets = torch.randn(16, OUTPUTS, generator=torch.Generator().manual_seed(2))
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(150):
        loss = functional.mse_loss(network(rows).centre, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        left = functional.mse_loss(network.eval()(rows).centre, targets)
    assert left < 0.1 * targets.var()
