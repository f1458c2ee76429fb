"""Sound trainings of many kinds, as different people write them: of these nothing is to be raised.

None of these programs knows SCRAM, and none was made for one of its checks. ``torch/`` and ``keras/`` hold them as they are;
those that need the data sets of ../shared ask for their place in ``SCRAM_DATA``.
"""

from tests.paths import DATA, ROOT

PROGRAMS = sorted((ROOT / "tests" / "controls").glob("*/*.py"))
# programs that cannot be tested before their training, and what is said to them
REFUSED = {
    "actor_critic": "trained no model that is known",  # a loop of Keras's, which trains to its end
    "gan": "GAN has no `call`",
}


def name_of(program):
    return f"{program.parent.name}/{program.stem}"


def can_run(program):
    return DATA.is_dir() or "SCRAM_DATA" not in program.read_text()


def refusal(program):
    return REFUSED.get(program.stem) if program.parent.name == "keras" else None
