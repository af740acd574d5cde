"""d3ke train: data sets, or synthetic people, become weights."""

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d3ke.errors import OptionError
from d3ke_cli import train_options as cli
from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_result
from d3ke_cli.options import Device, Json, OnDevice

if TYPE_CHECKING:
    from d3ke.train import Trained


def train(
    output: cli.Run,
    data: cli.Data = None,
    synthetic: cli.Synthetic = None,
    backbone: cli.Frames = cli.Backbone.RESNEXT50,
    temporal: cli.Mixer = cli.Temporal.TRANSFORMER,
    stage: cli.Stages = None,
    recipe: cli.ByRecipe = cli.Recipe.PLUS,
    epochs: cli.Epochs = None,
    steps: cli.Steps = None,
    temporal_steps: cli.TemporalSteps = None,
    batch: cli.Batch = None,
    learning_rate: cli.LearningRate = None,
    seed: cli.Seed = 0,
    size: cli.Size = 256,
    window: cli.Window = 243,
    pretrained: cli.Pretrained = False,
    backbone_weights: cli.BackboneWeights = None,
    init: cli.Init = None,
    only: cli.OnlyPart = cli.Only.ALL,
    coordinates: cli.Coordinates = None,
    scale_groups: cli.ScaleGroups = None,
    marker_weights: cli.MarkerWeights = None,
    motions: cli.Motions = None,
    wardrobe: cli.Wardrobe = None,
    records: cli.Records = None,
    record_share: cli.RecordShare = None,
    save_every: cli.SaveEvery = None,
    workers: cli.Workers = None,
    resume: cli.Resume = False,
    device: OnDevice = Device.AUTO,
    precision: cli.Numbers = cli.Precision.BF16,
    as_json: Json = False,
) -> ExitStatus:
    """Train a network: first on frames, then on what it said of clips.

    The run's folder holds weights, logs (CSV, TensorBoard) and the state to resume from. Start it
    with torchrun to use several GPUs or machines.
    """
    told = dict(locals())
    progress = RichProgress()

    def work(run: Path) -> None:
        landmarks = backbone is cli.Backbone.LANDMARKS
        trained = (_landmarks if landmarks else _images)(run, told, progress)
        from d3ke.training.processes import Processes

        if Processes.joined("cpu").first:
            _show(trained, as_json)

    return for_each([output], work, as_json)


# What says something of pictures alone.
FOR_IMAGES = (
    "temporal", "stage", "recipe", "epochs", "temporal_steps", "seed", "size", "window",
    "pretrained", "backbone_weights", "coordinates", "scale_groups", "marker_weights",
    "motions", "wardrobe",
)  # fmt: skip

FOR_LANDMARKS = ("steps", "batch", "learning_rate", "record_share", "save_every", "workers")


def _landmarks(run: Path, told: dict[str, Any], progress: RichProgress) -> "Trained":
    """Train the landmark network."""
    if told["synthetic"] is None or len(told["data"] or ()) != 1:
        raise OptionError(
            "--backbone landmarks learns from synthetic people: give --synthetic SEED and, as "
            "DATA, the folder that holds `motions` and `anthropometry`."
        )
    usual = signature(train).parameters
    foreign = [name for name in FOR_IMAGES if told[name] != usual[name].default]
    if foreign:
        raise OptionError(f"--{foreign[0].replace('_', '-')} is for backbones that see pictures.")
    if told["record_share"] is not None and told["records"] is None:
        raise OptionError("--record-share needs --records: a folder of landmark records.")
    from d3ke.network.device import choose_device
    from d3ke.skeleton import default_model
    from d3ke.train import Trained, train_landmarks
    from d3ke.train_uncertainty import train_uncertainty
    from d3ke.training.landmarks import LandmarkConfig
    from d3ke.training.uncertainty import UncertaintyConfig

    figures = {
        "seed": told["synthetic"],
        "precision": told["precision"].value,
        "device": choose_device(told["device"]),
        **_given(told, FOR_LANDMARKS),
    }
    what = run, told["data"][0], default_model()
    how = {name: told[name] for name in ("records", "resume", "init")} | {"progress": progress}
    if _only_uncertainty(told):
        doubts = UncertaintyConfig(**figures)
        return Trained(
            {"uncertainty": train_uncertainty(*what, doubts, **how)}, {"uncertainty": doubts.steps}
        )
    config = LandmarkConfig(**figures)
    return Trained(
        {"landmarks": train_landmarks(*what, config, **how)}, {"landmarks": config.steps}
    )


def _only_uncertainty(told: dict[str, Any]) -> bool:
    """Whether of a landmark network the head alone learns that says how far off answers are."""
    only = told["only"]
    if only not in (cli.Only.ALL, cli.Only.UNCERTAINTY):
        raise OptionError(f"--only {only} is for backbones that see pictures.")
    if only is cli.Only.UNCERTAINTY and told["init"] is None:
        raise OptionError("--only uncertainty needs --init: a landmark network that is trained.")
    return only is cli.Only.UNCERTAINTY


def _images(run: Path, told: dict[str, Any], progress: RichProgress) -> "Trained":
    """Train an image network."""
    if told["only"] is cli.Only.UNCERTAINTY:
        raise OptionError("--only uncertainty is for --backbone landmarks.")
    for name in ("records", "record_share"):
        if told[name] is not None:
            raise OptionError(f"--{name.replace('_', '-')} is for --backbone landmarks.")
    from d3ke.network.device import choose_device
    from d3ke.train_images import ImageTraining, train_images

    names = [field for field in ImageTraining.__dataclass_fields__ if field in told]
    plan = {name: getattr(told[name], "value", told[name]) for name in names}
    plan |= {"device": choose_device(told["device"]), "data": tuple(told["data"] or ())}
    plan["coordinates"] = tuple(n.strip() for n in (told["coordinates"] or "").split(",") if n)
    return train_images(run, ImageTraining(**plan), progress)


def _given(told: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """What a person said of the named options."""
    return {name: told[name] for name in names if told[name] is not None}


def _show(trained: "Trained", as_json: bool) -> None:
    if as_json:
        show_json({"output": trained.weights, "steps": trained.steps})
    else:
        show_result("\n".join(str(path) for path in trained.weights.values()))
