"""Reads a file and says what is in it, with Python's own library alone: a second reader for what the engines make.

look.py text FILE EXT     its text, from office documents and books by their XML, from HTML without tags
look.py rows FILE EXT     the rows of its first table, as JSON
look.py members FILE EXT  a line "SHA256 NAME" for each regular file of an archive
look.py data FILE EXT     what it says, as JSON with sorted keys
look.py bmp FILE OUT      its picture as a PPM
look.py wave FILE         {"seconds": …, "loud": […]}: the loudness of a WAV in windows of a tenth of a second
"""

import csv
import hashlib
import html
import html.parser
import json
import math
import re
import struct
import sys
import tarfile
import xml.etree.ElementTree as ET
import zipfile

DOCUMENTS = {
    "docx": r"word/document\.xml",
    "pptx": r"ppt/slides/slide\d+\.xml",
    "odt": r"content\.xml",
    "odp": r"content\.xml",
    "ods": r"content\.xml",
}
# A text that is cut by one of these goes on in the same word.
INLINE = {"span", "r", "t", "a", "b", "i", "em", "strong", "code", "rPr", "hyperlink", "s", "u", "sub", "sup", "tt", "small", "lang", "ins"}
SILENT = {"script", "style", "head", "instrText", "annotation", "tracked-changes", "posOffset", "align", "tableStyleId"}


def local(tag):
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""


def walk(node, out):
    name = local(node.tag)
    if name in SILENT:
        return
    if name not in INLINE:
        out.append(" ")
    if node.text:
        out.append(node.text)
    for child in node:
        walk(child, out)
        if child.tail:
            out.append(child.tail)
    if name not in INLINE:
        out.append(" ")


def xml_text(data):
    out = []
    walk(ET.fromstring(data), out)
    return "".join(out)


def natural(name):
    return [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", name)]


def sound_zip(path):
    z = zipfile.ZipFile(path)
    bad = z.testzip()
    if bad:
        raise SystemExit("the checksum of " + bad + " is wrong")
    for name in z.namelist():
        if name.endswith((".xml", ".rels", ".opf", ".ncx")) and z.getinfo(name).file_size:
            ET.fromstring(z.read(name))  # every part is XML
    return z


def book_text(z):
    root = ET.fromstring(z.read("META-INF/container.xml"))
    opf = next(x.get("full-path") for x in root.iter() if local(x.tag) == "rootfile")
    package = ET.fromstring(z.read(opf))
    at = {x.get("id"): x.get("href") for x in package.iter() if local(x.tag) == "item"}
    spine = [at[x.get("idref")] for x in package.iter() if local(x.tag) == "itemref" and x.get("linear") != "no"]
    folder = opf.rsplit("/", 1)[0] + "/" if "/" in opf else ""
    return " ".join(page_text(z.read(folder + href).decode("utf-8")) for href in spine)


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.out, self.quiet, self.rows, self.cell = [], 0, [], None

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "style", "title"):
            self.quiet += 1
        if tag not in INLINE:
            self.out.append(" ")
        if tag == "br" and self.cell is not None:
            self.cell.append(" ")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.cell = []

    def handle_endtag(self, tag):
        if tag in ("script", "style", "title"):
            self.quiet -= 1
        if tag not in INLINE:
            self.out.append(" ")
        if tag in ("td", "th") and self.cell is not None:
            self.rows[-1].append("".join(self.cell).strip())
            self.cell = None

    def handle_data(self, data):
        if not self.quiet:
            self.out.append(data)
            if self.cell is not None:
                self.cell.append(data)


def page(text):
    p = Page()
    p.feed(text)
    p.close()
    return p


def page_text(text):
    return "".join(page(text).out)


def slides_text(path):
    """The text of a PowerPoint 97 file: its records TextCharsAtom and TextBytesAtom ([MS-PPT] 2.9.42, 2.9.43)."""
    import olefile

    data, out = olefile.OleFileIO(path).openstream("PowerPoint Document").read(), []

    def records(at, end):
        while at + 8 <= end:
            head, kind, size = struct.unpack_from("<HHI", data, at)
            at += 8
            if head & 15 == 15:
                if kind not in (1016, 1008):  # masters, notes
                    records(at, at + size)
            elif kind == 4000:
                out.append(data[at : at + size].decode("utf-16-le"))
            elif kind == 4008:
                out.append(data[at : at + size].decode("latin-1"))
            at += size

    records(0, len(data))
    return " ".join(out)


def text(path, ext):
    if ext == "ppt":
        return slides_text(path)
    if ext in ("html", "htm"):
        data = open(path, "rb").read()
        said = re.search(rb'charset=["\']?([-\w]+)', data[:2000])
        return page_text(data.decode(said.group(1).decode() if said else "utf-8", "replace"))
    z = sound_zip(path)
    if ext == "epub":
        return book_text(z)
    if ext == "xlsx":
        return xml_text(z.read("xl/sharedStrings.xml"))
    names = sorted((n for n in z.namelist() if re.fullmatch(DOCUMENTS[ext], n)), key=natural)
    return " ".join(xml_text(z.read(n)) for n in names)


def ods_rows(path):
    tables = [x for x in ET.fromstring(sound_zip(path).read("content.xml")).iter() if local(x.tag) == "table"]
    get = lambda x, name: next((v for k, v in x.attrib.items() if local(k) == name), None)
    rows = []
    for row in (x for x in tables[0].iter() if local(x.tag) == "table-row"):
        cells = []
        for cell in row:
            if local(cell.tag) not in ("table-cell", "covered-table-cell"):
                continue
            value = get(cell, "value")
            if value is None:
                value = " ".join(xml_text(ET.tostring(p)).strip() for p in cell if local(p.tag) == "p")
            cells += [value] * min(int(get(cell, "number-columns-repeated") or 1), 100)
        while cells and cells[-1] == "":
            cells.pop()
        rows += [cells] * min(int(get(row, "number-rows-repeated") or 1), 100)
    return rows


def rows(path, ext):
    if ext in ("csv", "tsv"):
        with open(path, encoding="utf-8-sig", newline="") as f:
            return list(csv.reader(f, delimiter="\t" if ext == "tsv" else ","))
    with open(path, "rb") as f:
        data = f.read()
    if ext == "json":
        objects = json.loads(data)
        if isinstance(objects, dict):
            objects = [objects]
        say = lambda v: v if isinstance(v, str) else "" if v is None else json.dumps(v, sort_keys=True)
        return [list(objects[0])] + [[say(v) for v in o.values()] for o in objects] if objects else []
    if ext == "html":
        return page(data.decode("utf-8")).rows
    if ext == "md":
        lines = [x for x in data.decode("utf-8").splitlines() if x.startswith("|")]
        cut = lambda x: [re.sub(r"\\(.)", r"\1", html.unescape(c.replace("<br>", " ")).strip()) for c in re.split(r"(?<!\\)\|", x)[1:-1]]
        return [cut(x) for i, x in enumerate(lines) if i != 1]
    return ods_rows(path)


def members(path, ext):
    if ext == "zip":
        z = zipfile.ZipFile(path)
        for info in z.infolist():
            if not info.is_dir():
                yield hashlib.sha256(z.read(info)).hexdigest(), info.filename
        return
    with tarfile.open(path) as t:
        for info in t:
            if info.isreg():
                yield hashlib.sha256(t.extractfile(info).read()).hexdigest(), info.name


def data(path, ext):
    with open(path, "rb") as f:
        if ext == "toml":
            import tomllib

            return tomllib.load(f)
        if ext == "yaml":
            import yaml

            return yaml.safe_load(f)
        return json.load(f)


def bmp(path, out):
    """Writes an uncompressed BMP as a PPM."""
    with open(path, "rb") as f:
        data = f.read()
    at, header, width, height, planes, bits, packing = struct.unpack_from("<I I i i H H I", data, 10)
    if data[:2] != b"BM" or bits not in (8, 24, 32) or packing not in (0, 3):
        raise SystemExit("no BMP that this reads: %d bits, packing %d" % (bits, packing))
    stride, rows = (width * bits // 8 + 3) // 4 * 4, []
    for y in range(abs(height)):
        line = data[at + y * stride : at + y * stride + width * bits // 8]
        if bits == 8:
            colours = 14 + header
            line = b"".join(data[colours + 4 * i : colours + 4 * i + 3] for i in line)
        step = 4 if bits == 32 else 3
        row = bytearray(width * 3)
        row[0::3], row[1::3], row[2::3] = line[2::step], line[1::step], line[0::step]
        rows.append(bytes(row))
    with open(out, "wb") as f:
        f.write(b"P6\n%d %d\n255\n" % (width, abs(height)))
        f.write(b"".join(rows if height < 0 else rows[::-1]))


def samples(path):
    """Answers the rate, the channels and the upper 16 bits of each sample of a WAV, whatever else its header says."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise SystemExit("no WAV")
    at = 12
    while data[at : at + 4] != b"data":
        if data[at : at + 4] == b"fmt ":
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at + 8)
            if kind not in (1, 0xFFFE) or bits % 8 or bits < 16:
                raise SystemExit("samples of kind %d with %d bits" % (kind, bits))
        at += 8 + struct.unpack_from("<I", data, at + 4)[0]
    raw, width = data[at + 8 :], bits // 8  # one that was written to a pipe does not say how much
    count = len(raw) // width
    short = bytearray(count * 2)
    short[0::2], short[1::2] = raw[width - 2 : count * width : width], raw[width - 1 : count * width : width]
    return rate, channels, memoryview(bytes(short)).cast("h")


def loudness(path):
    rate, channels, sound = samples(path)
    step = rate // 10 * channels
    loud = []
    for at in range(0, len(sound) - step + 1, step):
        window = sound[at : at + step : 4]
        loud.append(round(math.sqrt(sum(x * x for x in window) / len(window)), 1))
    return {"seconds": len(sound) / channels / rate, "loud": loud}


def main():
    what, path, *rest = sys.argv[1:]
    ext = rest[0] if rest else ""
    if what == "text":
        print(text(path, ext))
    elif what == "rows":
        print(json.dumps(rows(path, ext)))
    elif what == "members":
        for line in members(path, ext):
            print(*line)
    elif what == "data":
        print(json.dumps(data(path, ext), sort_keys=True, default=lambda x: x.isoformat().replace("+00:00", "Z")))
    elif what == "bmp":
        bmp(path, ext)
    elif what == "wave":
        print(json.dumps(loudness(path)))
    else:
        raise SystemExit(__doc__)


sys.stdout.reconfigure(encoding="utf-8")
main()
