"""Makes the scenarios' notebooks and runs them: `python demo_logs/notebooks.py [--data DIR]`.

Each is the program of the same name in cells, with what to look at; the outputs are those of a real run.
"""

import argparse
import ast
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).parent
SCENARIOS = HERE / "scenarios"
LOOK = {
    "fashion_mnist": "The training loss falls to the end. Does the validation loss?",
    "movie_reviews": "The learning rate is 1e10. See what becomes of the loss, and in which batch.",
    "cifar10": "The pixels go in as bytes, 0 to 255.",
}


def notebook(name):
    """The notebook of one scenario, not yet run."""
    text = (SCENARIOS / f"{name}.py").read_text()
    title = ast.get_docstring(ast.parse(text))
    body = text.split('"""', 2)[2].strip()
    imports, _, rest = body.partition("\n\nkeras.utils")
    program = "keras.utils" + rest.replace("model.fit(\n", "model.fit(\n    verbose=2,\n").replace(
        "    verbose=2,\n    x_train,\n    y_train,\n", "    x_train,\n    y_train,\n    verbose=2,\n"
    )
    log_dir = re.search(r'log_dir="(.+?)"', text)[1]
    return new_notebook(
        cells=[
            new_markdown_cell(f"# {title}\n\n{LOOK[name]} The callback `SCRAM` prints what it finds while the training runs."),
            new_code_cell(imports),
            new_code_cell(program),
            new_markdown_cell("The same judgement afterwards, for these logs or for anybody's:"),
            new_code_cell(f'import scram_plugin\n\nscram_plugin.review("{log_dir}")'),
            new_markdown_cell("Live in TensorBoard: `%load_ext tensorboard`, then `%tensorboard --logdir logs`, tab SCRAM."),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


def _shown(output):
    """Whether this is more than the text of an object that nobody asked to see."""
    return "text/html" in output.get("data", {})


def run(name, data):
    """Run one notebook in a temporary directory; returns it with its outputs."""
    made = notebook(name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": path, **({"SCRAM_DATA": str(data)} if data else {})})
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "data.py").write_text((SCENARIOS / "data.py").read_text())
        NotebookClient(made, timeout=900, kernel_name="python3", resources={"metadata": {"path": scratch}}).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # times of this machine
        if cell.cell_type == "code":  # libraries say things on standard error that are of no use to a reader
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr" and (o.output_type == "stream" or _shown(o))]
    made.metadata.pop("language_info", None)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = HERE.parent.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside if beside.is_dir() else None)
    arguments = parser.parse_args()
    for name in LOOK:
        print(f"== {name}", flush=True)
        nbformat.write(run(name, arguments.data and arguments.data.resolve()), SCENARIOS / f"{name}.ipynb")


if __name__ == "__main__":
    main()
