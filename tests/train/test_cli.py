"""The command line: shipped configurations parse and run, and a missing extra is one line."""

import subprocess
import sys

import pytest
import torch
import yaml

from lowbit.train import cli

pytestmark = [
    # Lightning 2.6 registers its instantiators in a way that jsonargparse 4.53 has deprecated.
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
]
FAST = (
    *("--data.init_args.subset", "true", "--data.init_args.batch_size", "32"),
    *("--trainer.limit_train_batches", "3", "--trainer.limit_val_batches", "1"),
    *("--trainer.max_epochs", "2", "--trainer.log_every_n_steps", "1"),
    *("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"),
    *("--model.init_args.model.init_args.widths", "[2, 2, 2]"),
)


def without_export(name, folder):
    """The configuration with its export left out and its logs in `folder`."""
    config = yaml.safe_load((cli.CONFIGS / f"{name}.yaml").read_text())
    trainer = config["trainer"]
    trainer["callbacks"] = [c for c in trainer["callbacks"] if "Export" not in c["class_path"]]
    trainer["logger"]["init_args"]["save_dir"] = str(folder)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.mark.parametrize("name", cli.names())
def test_every_shipped_configuration_fits_and_is_validated(name, tmp_path):
    config = without_export(name, tmp_path)
    cli.main(["fit", "--config", config, *FAST])
    (last,) = tmp_path.glob("**/*.ckpt")
    assert torch.load(last, weights_only=True)["global_step"] == 6
    (metrics,) = tmp_path.glob("**/metrics.csv")
    assert "val_acc" in metrics.read_text()
    cli.main(["validate", "--config", config, *FAST, "--ckpt_path", str(last)])


@pytest.mark.parametrize("flag", ["--config NAME", "-c NAME", "--config=NAME"])
def test_shipped_configurations_go_by_name(flag):
    path = str(cli.CONFIGS / "w1a1_fmnist.yaml")
    for name in ("w1a1_fmnist", "w1a1_fmnist.yaml"):
        args = ["fit", *flag.replace("NAME", name).split()]
        assert cli.shipped(args) == ["fit", *flag.replace("NAME", path).split()]


def test_a_file_of_the_users_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w1a1_fmnist").write_text("")
    assert cli.shipped(["fit", "--config", "w1a1_fmnist"]) == ["fit", "--config", "w1a1_fmnist"]


def test_help_lists_the_configurations(capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(["--help"])
    assert exit.value.code == 0
    assert "w1a1_fmnist" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["torch", "lightning", "jsonargparse"])
def test_a_missing_extra_is_one_line(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
try:
    import lowbit.train
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f'training needs {missing}: pip install "lowbit[train]"\n'
