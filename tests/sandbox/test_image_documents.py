"""What programs make with the sandbox image and the shared assets: documents and pictures."""

import pytest

from tests.sandbox.image_container import png_size, run

pytestmark = pytest.mark.docker


def test_graphviz_draws_a_mind_map() -> None:
    ran = run(
        "import graphviz\n"
        "map = graphviz.Digraph('map', format='png', graph_attr={'rankdir': 'LR'})\n"
        "for leaf in ('Größe', 'Farbe', '中文'): map.edge('Idee', leaf)\n"
        "map.render(cleanup=True)"
    )
    assert (ran.status, ran.stderr) == (0, "")
    assert png_size(ran.files["map.gv.png"])[0] > 100


@pytest.mark.parametrize(
    ("name", "write", "read"),
    [
        (
            "a.xlsx",
            (
                "import xlsxwriter\nbook = xlsxwriter.Workbook('a.xlsx')\n"
                "book.add_worksheet().write('A1', 'Größe'); book.close()"
            ),
            "import openpyxl\ntext = openpyxl.load_workbook('a.xlsx').active['A1'].value",
        ),
        (
            "a.docx",
            (
                "import docx\ndocument = docx.Document()\n"
                "document.add_paragraph('Größe'); document.save('a.docx')"
            ),
            "import docx\ntext = docx.Document('a.docx').paragraphs[0].text",
        ),
        (
            "a.pptx",
            (
                "import pptx\ndeck = pptx.Presentation()\n"
                "slide = deck.slides.add_slide(deck.slide_layouts[5])\n"
                "slide.shapes.title.text = 'Größe'; deck.save('a.pptx')"
            ),
            "import pptx\ntext = pptx.Presentation('a.pptx').slides[0].shapes.title.text",
        ),
        (
            "a.pdf",
            (
                "from reportlab.pdfgen.canvas import Canvas\n"
                "page = Canvas('a.pdf'); page.drawString(72, 720, 'Größe'); page.save()"
            ),
            "import pypdf\ntext = pypdf.PdfReader('a.pdf').pages[0].extract_text().strip()",
        ),
        (
            "a.parquet",
            "import polars\npolars.DataFrame({'x': ['Größe']}).write_parquet('a.parquet')",
            "import duckdb\ntext = duckdb.sql(\"select x from 'a.parquet'\").fetchall()[0][0]",
        ),
        (
            "a.png",
            "import qrcode\nqrcode.make('Größe').save('a.png')",
            "import cv2\ntext = cv2.QRCodeDetector().detectAndDecode(cv2.imread('a.png'))[0]",
        ),
    ],
)
def test_a_document_is_written_and_read_again(name: str, write: str, read: str) -> None:
    ran = run(f"{write}\n{read}\nprint(text)")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "Größe\n", "")
    assert len(ran.files[name]) > 100


def test_the_presentation_template_takes_text_charts_and_pictures() -> None:
    ran = run(
        "import json, pptx, matplotlib.pyplot as plt\n"
        "from pptx.chart.data import CategoryChartData\n"
        "from pptx.enum.chart import XL_CHART_TYPE\n"
        "plt.figure().savefig('picture.png')\n"
        "data = CategoryChartData(); data.categories = ['a']; data.add_series('s', (1,))\n"
        "deck = pptx.Presentation('/mnt/shared/templates/presentation.pptx')\n"
        "for layout in deck.slide_layouts:\n"
        "    for place in deck.slides.add_slide(layout).placeholders:\n"
        "        if hasattr(place, 'insert_chart'):\n"
        "            place.insert_chart(XL_CHART_TYPE.LINE, data)\n"
        "        elif hasattr(place, 'insert_picture'): place.insert_picture('picture.png')\n"
        "        else: place.text = 'Text'\n"
        "deck.save('deck.pptx')\n"
        "again = pptx.Presentation('deck.pptx')\n"
        "print(json.dumps([slide.slide_layout.name for slide in again.slides]))"
    )
    assert ran.answer == [
        "Title",
        "Section",
        "Content",
        "Two columns",
        "Chart",
        "Chart and text",
        "Picture and text",
        "Title only",
        "Blank",
    ]


def test_the_shared_chart_helpers_draw_without_a_complaint() -> None:
    ran = run(
        "import chart_helpers as charts\n"
        "charts.use_house_style()\n"
        "charts.bar(['a', 'b'], [1, 2], title='T', subtitle='S', unit='%', highlight='b')\n"
        "charts.bar(['a'], {'x': [1], 'y': [12345]}, horizontal=True)\n"
        "charts.line([1, 2], {'x': [1, 2], 'y': [2, 2]}, fill=True)\n"
        "charts.line([1], [5])\n"
        "charts.scatter([1, 2], [2, 1], names=['a', 'b'])\n"
        "charts.histogram([1, 2, 2, 3])\n"
        "charts.donut(['a', 'b'], [1, 3], centre='4')\n"
        "charts.heatmap(['a'], ['x', 'y'], [[1, 2]])\n"
        "charts.plt.show()\n"
        "print([charts.format_number(n, '€') for n in (0.5, 1234, 12345, 1.5e6, 2e9)])"
    )
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout == "['0.5€', '1,234€', '12.3k€', '1.5M€', '2B€']\n"
    assert sorted(ran.files) == [f"plot_{number}.png" for number in range(1, 9)]


def test_every_shared_icon_is_drawn() -> None:
    ran = run(
        "for icon in /mnt/shared/icons/*.svg; do\n"
        "  rsvg-convert -w 48 -o $(basename $icon .svg).png $icon || exit 1\n"
        "done",
        interpreter="bash",
    )
    assert (ran.status, ran.stderr) == (0, "")
    assert len(ran.files) >= 24
    assert {png_size(data) for data in ran.files.values()} == {(48, 48)}


def test_shared_modules_are_looked_for_last() -> None:
    # So that none of them can stand in for a module of Python, of the image or the program.
    ran = run("import sys\nprint(sys.path[-1])")
    assert ran.stdout == "/mnt/shared/utils\n"
