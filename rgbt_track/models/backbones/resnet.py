"""The atrous ResNet-50 of SiamRPN++ (B. Li et al., CVPR 2019), as pysot builds it.

Differs from torchvision's: the stem has no padding, layer 2 has no padding where it strides, and
layers 3 and 4 dilate (2, 4) instead of striding; so three levels share one grid of stride 8, and a
255 (127) pixels wide crop gives 31 (15) cells, cell k being centered on pixel 8 k + 7. The first
block of a dilated layer uses half the dilation, and its shortcut is a 3x3 convolution. State-dict
keys are torchvision's, so published SiamRPN++ weights fit by name.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from fusion_modules.conv_norm import ConvNorm, Foldable, fold_norm
from rgbt_track.models.interface import Backbone
from rgbt_track.resources import check_choice

STRIDE = 8


class Bottleneck(Foldable):
    """1x1 -> 3x3 -> 1x1 with a shortcut: (B, C, H, W) -> (B, 4 * planes, H', W').

    Args:
        channels: channels of the input.
        planes: channels of the 3x3 convolution.
        stride: of the 3x3 convolution, which is not padded where it strides.
        dilation: of the 3x3 convolution.
        first: whether this is its layer's first block, whose shortcut is a convolution.
    """

    def __init__(self, channels: int, planes: int, stride: int, dilation: int, first: bool) -> None:
        super().__init__()
        dense = stride == 1 and dilation == 1
        if first and dilation > 1:
            dilation //= 2
        padding = dilation if stride == 1 else 0
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.downsample = None
        if first:
            side, around = (1, 0) if dense else (3, padding)
            self.downsample = ConvNorm(
                nn.Conv2d(channels, 4 * planes, side, stride, around, dilation, bias=False),
                nn.BatchNorm2d(4 * planes),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)) + shortcut, inplace=True)

    def fold(self) -> None:
        fold_norm(self, "conv1", "bn1")
        fold_norm(self, "conv2", "bn2")
        fold_norm(self, "conv3", "bn3")


class ResNet50(Backbone, Foldable):
    """Crops (B, 3, X, X) -> the outputs of layers 2, 3, 4: 512, 1024, 2048 channels at stride 8.

    X should be 8 n + 7 so that the grid is centered on the crop.
    """

    stride = STRIDE
    channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=0, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _layer(64, 64, blocks=3)
        self.layer2 = _layer(256, 128, blocks=4, stride=2)
        self.layer3 = _layer(512, 256, blocks=6, dilation=2)
        self.layer4 = _layer(1024, 512, blocks=3, dilation=4)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer1(F.max_pool2d(x, 3, stride=2, padding=1))
        level2 = self.layer2(x)
        level3 = self.layer3(level2)
        return [level2, level3, self.layer4(level3)]

    def input_convolution(self) -> nn.Conv2d:
        return self.conv1

    def fold(self) -> None:
        fold_norm(self, "conv1", "bn1")

    def init_from_torchvision(self, weights: object = "IMAGENET1K_V2") -> None:
        """Start from torchvision's ImageNet weights: a name or member of ``ResNet50_Weights``.

        Downloads them once to torch's cache. They expect ``pixels: imagenet``. Raises
        ``ValueError`` for an unknown name; ``None`` leaves the random start.
        """
        if weights is None:
            return
        from torchvision.models import ResNet50_Weights

        if isinstance(weights, str):
            check_choice("unknown ResNet-50 weights", weights, ResNet50_Weights.__members__)
            weights = ResNet50_Weights[weights]
        assert isinstance(weights, ResNet50_Weights)
        self.load_torchvision_state(weights.get_state_dict(progress=False, check_hash=True))

    def load_torchvision_state(self, state: dict[str, Tensor]) -> None:
        """Take the weights of a torchvision ``resnet50`` state dict; its classifier is left out.

        Where the shortcut here is 3x3 and torchvision's 1x1, the latter becomes the center of an
        otherwise zero kernel: the same shortcut, read at the center of the 3x3 window.
        """
        expected = self.state_dict()
        fitting = {}
        for key, value in state.items():
            if key.startswith("fc."):
                continue
            shape = expected[key].shape if key in expected else value.shape
            if value.shape[2:] == (1, 1) and shape[2:] == (3, 3):
                value = F.pad(value, (1, 1, 1, 1))
            fitting[key] = value
        self.load_state_dict(fitting)


def _layer(
    channels: int, planes: int, blocks: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    first = Bottleneck(channels, planes, stride, dilation, first=True)
    rest = [Bottleneck(4 * planes, planes, 1, dilation, first=False) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)
