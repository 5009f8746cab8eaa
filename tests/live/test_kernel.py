"""The notebook's view in a real kernel: one output, updated while the next cell trains."""

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

CELLS = (
    "import gradlab\nview = gradlab.live.show('night', interval=0.05)\nview",
    "model = gradlab.MLP([64] + [32] * 12 + [10], 'sigmoid', seed=0)\n"
    "data = gradlab.datasets.digits()\n"
    "gradlab.train(model, data, out='night', iterations=300, on_finding=None);",
    "print(view.wait(60))",
)


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own packages
def test_one_output_follows_the_run_to_its_end(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in CELLS])
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute()
    shown, trained, waited = notebook.cells
    (output,) = shown.outputs  # the view's own value shows nothing
    assert "complete" in output.data["text/html"]
    assert "iteration 300" in output.data["text/plain"]
    assert "vanishing-gradient (GL101, error)" in output.data["text/plain"]
    assert trained.outputs == []
    assert waited.outputs[0].text == "True\n"
