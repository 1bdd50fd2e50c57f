"""What `plt.show()` and its relatives do in the sandbox image (contract 3.7)."""

import pytest

from tests.sandbox.image_container import png_size, run

pytestmark = pytest.mark.docker

PLOT = "import matplotlib.pyplot as plt\n"


def test_show_saves_every_open_figure_in_order_and_closes_them() -> None:
    ran = run(
        PLOT + "plt.figure(figsize=(2, 1)); plt.plot([1, 2])\n"
        "plt.figure(figsize=(3, 1)); plt.plot([2, 1])\n"
        "plt.show()\n"
        "print(plt.get_fignums())\n"
        "plt.figure(figsize=(4, 1)); plt.show()\n"
    )
    assert (ran.status, ran.stdout, ran.stderr) == (0, "[]\n", "")
    assert {name: png_size(data) for name, data in ran.files.items()} == {
        "plot_1.png": (300, 150),
        "plot_2.png": (450, 150),
        "plot_3.png": (600, 150),
    }


@pytest.mark.parametrize(
    "program",
    [
        "from matplotlib.pyplot import figure, show\nfigure(); show()",
        "from matplotlib import pyplot\npyplot.figure(); pyplot.show(block=True)",
        "from pylab import *\nplot([1, 2]); show()",
        "import matplotlib\nmatplotlib.use('Agg')\n" + PLOT + "plt.figure(); plt.show()",
        PLOT + "import matplotlib\nmatplotlib.use('Agg', force=True)\nplt.figure(); plt.show()",
        PLOT + "plt.switch_backend('agg'); plt.figure(); plt.show()",
        PLOT + "plt.ion(); plt.figure(); plt.show(block=False)",
        PLOT + "fig, ax = plt.subplots(); fig.show(); plt.show()",
        "from matplotlib.figure import Figure\nFigure().show()",
        "import os\nos.environ.clear()\n" + PLOT + "plt.figure(); plt.show()",
    ],
)
def test_every_way_to_show_saves_one_picture_quietly(program: str) -> None:
    ran = run(program)
    assert (ran.status, ran.stderr) == (0, "")
    assert list(ran.files) == ["plot_1.png"]


def test_show_saves_into_the_current_working_directory() -> None:
    ran = run(PLOT + "import os\nos.mkdir('out'); os.chdir('out')\nplt.figure(); plt.show()")
    assert list(ran.files) == ["out/plot_1.png"]


def test_a_figure_that_the_code_saved_is_not_saved_again() -> None:
    ran = run(
        PLOT + "plt.plot([1, 2]); plt.savefig('own.png'); plt.show()\nprint(plt.get_fignums())"
    )
    assert list(ran.files) == ["own.png"]
    assert ran.stdout == "[]\n"


def test_of_two_figures_only_the_unsaved_one_is_saved_by_show() -> None:
    ran = run(
        PLOT + "from pathlib import Path\n"
        "first, _ = plt.subplots(); second, _ = plt.subplots()\n"
        "first.savefig(Path('own.svg')); plt.show()"
    )
    assert sorted(ran.files) == ["own.svg", "plot_1.png"]


def test_a_figure_written_to_memory_has_not_been_saved() -> None:
    ran = run(PLOT + "import io\nplt.figure(); plt.savefig(io.BytesIO()); plt.show()")
    assert list(ran.files) == ["plot_1.png"]


def test_a_figure_that_could_not_be_saved_has_not_been_saved() -> None:
    ran = run(
        PLOT + "plt.figure()\n"
        "try: plt.savefig('/nowhere/own.png')\n"
        "except OSError: pass\n"
        "plt.show()"
    )
    assert list(ran.files) == ["plot_1.png"]


@pytest.mark.parametrize(
    ("asked", "width"),
    [
        ("", 150),
        (", dpi=72", 72),
        (", dpi=200", 200),
        (", dpi=600", 200),
        (", dpi='figure'", 100),
    ],
)
def test_an_explicit_dpi_is_honoured_up_to_200(asked: str, width: int) -> None:
    ran = run(PLOT + f"plt.figure(figsize=(1, 1)); plt.savefig('own.png'{asked})")
    assert png_size(ran.files["own.png"]) == (width, width)


def test_the_settings_are_the_contracts() -> None:
    ran = run(
        "import json, matplotlib\n"
        "from matplotlib.font_manager import findfont, FontProperties\n"
        "from matplotlib.pyplot import rcParams\n"
        "names = 'figure.dpi', 'savefig.dpi', 'text.usetex', 'svg.fonttype', 'backend'\n"
        "font = findfont(FontProperties()).rpartition('/')[2]\n"
        "print(json.dumps([font, *(rcParams[name] for name in names)]))"
    )
    assert ran.answer == ["DejaVuSans.ttf", 100, 150, False, "none", "Agg"]
    assert ran.stderr == ""


def test_text_in_svg_stays_text() -> None:
    ran = run(PLOT + "plt.title('Readable'); plt.savefig('own.svg')")
    assert b">Readable</text>" in ran.files["own.svg"]


def test_thirty_open_figures_bold_titles_and_all_scripts_cause_no_complaint() -> None:
    ran = run(
        PLOT + "for _ in range(30): plt.figure()\n"
        "plt.title('Größe → ✓ 中文 日本語 한국어', fontweight='bold'); plt.show()"
    )
    assert (ran.status, ran.stderr, len(ran.files)) == (0, "", 30)


@pytest.mark.parametrize(
    "choice",
    [
        "import matplotlib\nmatplotlib.use('TkAgg')\n" + PLOT,
        PLOT + "import matplotlib\nmatplotlib.use('qtagg')\n",
        PLOT + "plt.switch_backend('WebAgg')\n",
        PLOT + "plt.rcParams['backend'] = 'GTK4Agg'\n",
        "import os\nos.environ['MPLBACKEND'] = 'MacOSX'\n" + PLOT,
        "import os\ndel os.environ['MPLBACKEND']\n" + PLOT,
    ],
)
def test_a_program_that_asks_for_a_window_draws_without_one(choice: str) -> None:
    ran = run(choice + "plt.plot([1, 2]); plt.show(); print(plt.get_backend().lower())")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "agg\n", "")
    assert list(ran.files) == ["plot_1.png"]


def test_a_loop_that_redraws_and_pauses_saves_its_last_state_once() -> None:
    ran = run(
        PLOT + "plt.ion(); fig, ax = plt.subplots()\n"
        "for step in range(3): ax.plot([0, step]); plt.pause(0.001)\n"
        "plt.show(); print(len(ax.lines))"
    )
    assert (ran.stdout, ran.stderr, list(ran.files)) == ("3\n", "", ["plot_1.png"])


def test_pandas_and_seaborn_draw_as_pyplot_does() -> None:
    ran = run(
        "import pandas as pd, seaborn as sns\n" + PLOT + "sns.set_theme()\n"
        "table = pd.DataFrame({'a': [1, 2, 3], 'b': [3, 1, 2], 'kind': ['x', 'y', 'x']})\n"
        "table.plot(x='a', y='b'); plt.show()\n"
        "sns.scatterplot(table, x='a', y='b', hue='kind'); plt.show()\n"
        "sns.catplot(table, x='kind', y='b', kind='bar').savefig('grid.png', dpi=300)\n"
        "plt.show()"
    )
    assert (ran.status, ran.stderr) == (0, "")
    assert sorted(ran.files) == ["grid.png", "plot_1.png", "plot_2.png"]


def test_programs_forked_after_the_import_count_from_one_each() -> None:
    # The supervisor imports pyplot while it waits and forks the user's program afterwards.
    ran = run(
        PLOT + "import os\n"
        "for name in 'ab':\n"
        "    os.mkdir(name)\n"
        "    if os.fork() == 0:\n"
        "        os.chdir(name)\n"
        "        plt.figure(); plt.show(); plt.figure(); plt.show()\n"
        "        os._exit(0)\n"
        "    assert os.wait()[1] == 0\n"
    )
    names = [f"{folder}/plot_{number}.png" for folder in "ab" for number in (1, 2)]
    assert (ran.stderr, sorted(ran.files)) == ("", names)


def test_an_interpreter_that_draws_nothing_loads_nothing_of_it() -> None:
    ran = run("import sys\nprint([name for name in sys.modules if 'matplotlib' in name])")
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    "options", ["python3 -I", "python", "/opt/python/bin/python3 -I -B -u"]
)
def test_it_works_however_python_is_started(options: str) -> None:
    ran = run(PLOT + "plt.figure(); plt.show()", interpreter=options)
    assert (ran.status, ran.stderr, list(ran.files)) == (0, "", ["plot_1.png"])


def test_a_warning_names_the_line_of_the_program() -> None:
    ran = run(PLOT + "plt.title('\\u0c0b')\nplt.savefig('own.png')")
    assert ran.stderr.startswith("/tmp/main:3: UserWarning: Glyph")


def test_the_changed_modules_still_know_their_sources() -> None:
    ran = run(
        PLOT + "import inspect, importlib.resources as resources\n"
        "print('def subplots(' in inspect.getsource(plt))\n"
        "print(resources.files('matplotlib').joinpath('mpl-data').is_dir())\n"
        "print(inspect.signature(plt.Figure.savefig).parameters.keys() >= {'fname'})"
    )
    assert ran.stdout == "True\nTrue\nTrue\n"


def test_the_list_of_fonts_was_made_when_the_image_was_built() -> None:
    ran = run(
        PLOT + "import os\n"
        "os.chdir('/tmp/matplotlib')\n"
        "print([os.readlink(name) for name in os.listdir()])"
    )
    assert "/opt/code-command/matplotlib/fontlist-" in ran.stdout
