"""Office documents: LibreOffice, pandoc and the libraries of JavaScript convert and write."""

import pytest

from tests.sandbox.image_container import png_size, run

pytestmark = pytest.mark.docker

WRITE = {
    "docx": (
        "import docx; d = docx.Document(); d.add_heading('Größe'); "
        "d.add_paragraph('中文 text'); d.save('a.docx')"
    ),
    "pptx": (
        "import pptx; d = pptx.Presentation(); s = d.slides.add_slide(d.slide_layouts[1]); "
        "s.shapes.title.text = 'Größe'; s.placeholders[1].text = '中文 text'; d.save('a.pptx')"
    ),
    "xlsx": (
        "import openpyxl; b = openpyxl.Workbook(); s = b.active; s['A1'] = 'Größe'; "
        "s['A2'] = '中文 text'; s['A3'] = '=40+2'; b.save('a.xlsx')"
    ),
}


@pytest.mark.parametrize("kind", WRITE)
def test_soffice_makes_a_pdf_and_leaves_nothing_else(kind: str) -> None:
    ran = run(
        f'python3 -c "{WRITE[kind]}"\n'
        f"soffice --headless --convert-to pdf a.{kind} >&2 || exit 1\n"
        "pdftotext -raw a.pdf - && pdftoppm -r 40 -png a.pdf page && rm a.*\n"
        "find . -type d -mindepth 1",
        interpreter="bash",
    )
    assert ran.status == 0, ran.stderr
    expected = {"Größe", "中文", "text"} | ({"42"} if kind == "xlsx" else set())
    assert expected <= set(ran.stdout.split())
    assert [name for name in ran.files if not name.startswith("page")] == []
    assert png_size(next(iter(ran.files.values())))[0] > 100


def test_old_formats_and_csv_are_converted_too() -> None:
    ran = run(
        f'python3 -c "{WRITE["docx"]}" && python3 -c "{WRITE["xlsx"]}"\n'
        "libreoffice --headless --convert-to odt a.docx > /dev/null &&"
        " soffice --headless --convert-to csv a.xlsx > /dev/null &&"
        " pandoc a.odt -t plain && cat a.csv",
        interpreter="bash",
    )
    assert ran.status == 0, ran.stderr
    assert ran.stdout.split() == ["Größe", "中文", "text", "Größe", "中文", "text", "42"]


def test_pandoc_writes_word_and_reads_it_again() -> None:
    ran = run(
        "printf '# Größe\\n\\n- 中文\\n' | pandoc -o a.docx && pandoc a.docx -t gfm",
        interpreter="bash",
    )
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout == "# Größe\n\n- 中文\n"
    assert list(ran.files) == ["a.docx"]


@pytest.mark.parametrize("interpreter", ["node", "bun"])
def test_javascripts_document_libraries_are_required_from_anywhere(interpreter: str) -> None:
    ran = run(
        "mkdir -p deep/er && cd deep/er && cat > make.js <<'EOF'\n"
        "const fs = require('fs');\n"
        "const { Document, Packer, Paragraph } = require('docx');\n"
        "const PptxGenJS = require('pptxgenjs');\n"
        "const { PDFDocument } = require('pdf-lib');\n"
        "(async () => {\n"
        "  const file = new Document({ sections: [{ children: [new Paragraph('word')] }] });\n"
        "  fs.writeFileSync('a.docx', await Packer.toBuffer(file));\n"
        "  const deck = new PptxGenJS();\n"
        "  deck.addSlide().addText('slide', { x: 1, y: 1, w: 4, h: 1 });\n"
        "  await deck.writeFile({ fileName: 'a.pptx' });\n"
        "  const pdf = await PDFDocument.create(); pdf.addPage().drawText('page');\n"
        "  fs.writeFileSync('a.pdf', await pdf.save());\n"
        "})();\n"
        "EOF\n"
        f"{interpreter} make.js && python3 - <<'EOF'\n"
        "import docx, pptx, pypdf\n"
        "print(docx.Document('a.docx').paragraphs[0].text)\n"
        "print(pptx.Presentation('a.pptx').slides[0].shapes[0].text_frame.text)\n"
        "print(pypdf.PdfReader('a.pdf').pages[0].extract_text())\n"
        "EOF",
        interpreter="bash",
    )
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout.split() == ["word", "slide", "page"]


def test_r_draws_without_a_display() -> None:
    ran = run(
        "png('a.png', 400, 300); plot(1:9, main = 'Größe'); invisible(dev.off())\n"
        "svg('a.svg'); hist(c(1, 2, 2, 3)); invisible(dev.off())\n"
        "suppressMessages(library(ggplot2))\n"
        "ggsave('b.png', qplot(1:3, 1:3), width = 4, height = 3, dpi = 100)",
        interpreter="Rscript",
    )
    assert ran.status == 0, ran.stderr
    assert png_size(ran.files["a.png"]) == (400, 300)
    assert png_size(ran.files["b.png"]) == (400, 300)
    assert b"<svg" in ran.files["a.svg"]
    assert sorted(ran.files) == ["a.png", "a.svg", "b.png"]
