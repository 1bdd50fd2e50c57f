"""Charts, slides, sheets and mind maps come back as files that open."""

import io
import struct

import pytest
from openpyxl import load_workbook
from pptx import Presentation
from pypdf import PdfReader

from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

PNG = b"\x89PNG\r\n\x1a\n"


def png_size(content: bytes) -> tuple[int, int]:
    """Return width and height in pixels, from the header (PNG, 11.2.2)."""
    assert content.startswith(PNG)
    assert content[12:16] == b"IHDR"
    assert content.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def fetch(caller: Caller, file: StoredFile, content_type: str) -> bytes:
    """Ask about a file and download it: both must say the same of it."""
    asked = caller.http.head(file.path)
    answer = caller.http.get(file.path)

    assert (asked.status_code, answer.status_code) == (200, 200)
    assert asked.content == b""
    assert asked.headers["content-length"] == str(len(answer.content))
    for name in ("content-type", "content-length", "content-disposition"):
        assert asked.headers[name] == answer.headers[name]
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{file.name}"
    return answer.content


def test_a_shown_chart_is_a_picture(caller: Caller) -> None:
    code = (
        "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.title('Größe')\nplt.show()"
    )

    answer = caller.run(code)

    assert (answer["code"], answer["stderr"]) == (0, "")
    assert [file["name"] for file in answer["files"]] == ["plot_1.png"]
    picture = fetch(caller, stored_files(answer)["plot_1.png"], "image/png")
    width, height = png_size(picture)
    assert 800 <= width <= 1100
    assert 600 <= height <= 900


def test_every_shown_chart_is_one_and_a_saved_one_is_not_saved_twice(caller: Caller) -> None:
    code = (
        "import matplotlib.pyplot as plt\n"
        "for height in (1, 2):\n"
        "    plt.bar(['a', 'b'], [height, 3])\n"
        "    plt.show()\n"
        "plt.plot([1, 2])\n"
        "plt.savefig('mine.png')\n"
        "plt.show()\n"
    )

    files = stored_files(caller.run(code))

    assert set(files) == {"plot_1.png", "plot_2.png", "mine.png"}
    assert len({caller.download(file) for file in files.values()}) == 3


def test_slides_open(caller: Caller) -> None:
    code = (
        "from pptx import Presentation\n"
        "slides = Presentation()\n"
        "slide = slides.slides.add_slide(slides.slide_layouts[0])\n"
        "slide.shapes.title.text = 'Quarter 3'\n"
        "slides.save('report.pptx')\n"
    )

    file = stored_files(caller.run(code))["report.pptx"]

    content = fetch(
        caller,
        file,
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    )
    (slide,) = Presentation(io.BytesIO(content)).slides
    texts = [getattr(shape, "text", "") for shape in slide.shapes if shape.has_text_frame]
    assert texts[:1] == ["Quarter 3"]


def test_a_sheet_opens(caller: Caller) -> None:
    code = (
        "import pandas as pd\n"
        "frame = pd.DataFrame({'city': ['Lund', 'Oslo'], 'temp': [14, 9]})\n"
        "frame.to_excel('cities.xlsx', index=False)\n"
    )

    file = stored_files(caller.run(code))["cities.xlsx"]

    content = fetch(
        caller, file, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    assert list(sheet.values) == [("city", "temp"), ("Lund", 14), ("Oslo", 9)]


def test_a_letter_that_was_uploaded_is_converted_by_libreoffice(caller: Caller) -> None:
    """Written in one run and uploaded for the next, as LibreChat does between two messages."""
    code = (
        "from docx import Document\n"
        "letter = Document()\n"
        "letter.add_heading('Größe', 0)\n"
        "letter.add_paragraph('What was written.')\n"
        "letter.save('letter.docx')\n"
    )
    written = stored_files(caller.run(code))["letter.docx"]
    letter = caller.upload("letter.docx", caller.download(written))

    answer = caller.run("soffice --headless --convert-to pdf letter.docx", letter, lang="bash")

    assert (answer["code"], answer["status"], answer["message"]) == (0, None, None)
    assert "[sandbox]" not in answer["stderr"]
    assert "artifact_truncation" not in answer
    files = {file["name"]: file.get("inherited", False) for file in answer["files"]}
    assert files == {"letter.docx": True, "letter.pdf": False}
    content = fetch(caller, stored_files(answer)["letter.pdf"], "application/pdf")
    assert content.startswith(b"%PDF")
    (page,) = PdfReader(io.BytesIO(content)).pages
    assert page.extract_text().split() == ["Größe", "What", "was", "written."]


def test_a_mind_map_is_a_picture(caller: Caller) -> None:
    code = (
        "import graphviz\n"
        "graph = graphviz.Digraph(engine='twopi', graph_attr={'overlap': 'false'})\n"
        "for leaf in ('Früchte', 'Gemüse', 'Brot'):\n"
        "    graph.edge('Einkauf', leaf)\n"
        "graph.render('mind_map', format='png', cleanup=True)\n"
    )

    answer = caller.run(code)

    assert (answer["code"], answer["stderr"]) == (0, "")
    assert [file["name"] for file in answer["files"]] == ["mind_map.png"]
    width, height = png_size(fetch(caller, stored_files(answer)["mind_map.png"], "image/png"))
    assert 100 < width < 2000
    assert 100 < height < 2000


def test_a_picture_made_in_one_run_is_seen_by_the_next(caller: Caller) -> None:
    code = "from PIL import Image\nImage.new('RGB', (30, 20), 'teal').save('tile.png')"
    tile = stored_files(caller.run(code))["tile.png"]
    assert png_size(fetch(caller, tile, "image/png")) == (30, 20)

    answer = caller.run("from PIL import Image\nprint(Image.open('tile.png').size)", tile)

    assert answer["stdout"] == "(30, 20)\n"
