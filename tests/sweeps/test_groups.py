"""Runs of one program, and their settings: told by logs, and by the names of directories."""

from scram_plugin.sweeps.groups import groups
from tests.sweeps.runs import review


def settings(*names):
    (group,) = groups([review(name) for name in names])
    return {name: list(column) for name, column in group.settings.items()}


def test_programs_are_apart():
    runs = [review("a", program="train.py"), review("b", program="other.py"), review("c", program="train.py"), review("d")]
    assert [[run.name for run in group.runs] for group in groups(runs)] == [["a", "c"], ["b"], ["d"]]


def test_without_a_file_the_tag_of_the_loss_tells_programs_apart():
    assert len(groups([review("a", tag="loss"), review("b", tag="train/loss"), review("c", tag="loss")])) == 2


def test_names_with_short_keys():
    assert settings("lr0.01_bs32/seed1", "lr0.1_bs32/seed2", "lr0.1_bs64/seed1") == {
        "learning rate": [0.01, 0.1, 0.1],
        "batch size": [32, 32, 64],
        "seed": [1, 2, 1],
    }


def test_names_with_equals_signs():
    assert settings("run/lr=1e-3,opt=adam,wd=0.1", "run/lr=1e-2,opt=sgd,wd=0.1") == {
        "learning rate": [0.001, 0.01],
        "optimizer": ["adam", "sgd"],
    }
    assert settings("lr=0.1_width=3_x", "lr=0.2_width=4_x") == {"learning rate": [0.1, 0.2], "width": [3, 4]}


def test_the_first_name_need_not_have_a_setting():
    assert settings("baseline", "width=64", "width=128", "width=256") == {"width": [None, 64, 128, 256]}
    assert settings("x=1e999/a", "x=1e999/b") == {}


def test_levels_of_names():
    assert settings("resnet/trial_1", "resnet/trial_2", "vit/trial_1", "vit/trial_2") == {
        "directory 1": ["resnet", "resnet", "vit", "vit"],
        "directory 2": ["trial_1", "trial_2", "trial_1", "trial_2"],
    }


def test_dates_hosts_and_counters_are_no_settings():
    assert settings("Jun05_10-22-33_host", "Jun06_11-22-33_host") == {}
    assert settings("PPO_1", "PPO_2", "PPO_3") == {}
    assert settings("version_0", "version_1", "version_2") == {}


def test_what_the_log_says_counts_more_than_a_name():
    (group,) = groups(
        [review("lr0.1", {"learning rate": 0.2, "width": 3}), review("lr0.3", {"learning rate": 0.3, "width": 3})]
    )
    assert group.settings == {"learning rate": [0.2, 0.3]}
    assert group.same == {"width": 3}
