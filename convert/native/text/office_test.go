package text_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"dropfs/convert"
)

const wordNS = `<w:document xmlns:w="w" xmlns:r="r"><w:body>`

func wordOf(t testing.TB, body string) string {
	return zipOf(t, "word/document.xml", wordNS+body+"</w:body></w:document>",
		"word/styles.xml", `<w:styles xmlns:w="w"><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style><w:style w:styleId="X"><w:name w:val="My own"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style></w:styles>`,
		"word/numbering.xml", `<w:numbering xmlns:w="w"><w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl><w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num></w:numbering>`,
		"word/_rels/document.xml.rels", `<Relationships><Relationship Id="r1" Target="https://e.org/(x)" TargetMode="External"/><Relationship Id="r2" Target="javascript:alert(1)" TargetMode="External"/></Relationships>`)
}

const wordBody = `
<w:p><w:pPr><w:pStyle w:val="berschrift1"/></w:pPr><w:r><w:t>Title</w:t></w:r></w:p>
<w:p><w:pPr><w:pStyle w:val="X"/></w:pPr><w:r><w:t>Second</w:t></w:r></w:p>
<w:p><w:r><w:t xml:space="preserve">Plain </w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>bo</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t xml:space="preserve">ld </w:t></w:r><w:r><w:rPr><w:i w:val="0"/></w:rPr><w:t>&lt;x&gt; 1*2</w:t></w:r><w:del><w:r><w:t>deleted</w:t></w:r></w:del><w:r><w:instrText>FIELD</w:instrText></w:r></w:p>
<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>one</w:t></w:r></w:p>
<w:p><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>in</w:t></w:r></w:p>
<w:p><w:hyperlink r:id="r1"><w:r><w:t>link</w:t></w:r></w:hyperlink><w:hyperlink r:id="r2"><w:r><w:t xml:space="preserve"> bad</w:t></w:r></w:hyperlink></w:p>
<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a|b</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p><w:p><w:r><w:t>d</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>
<w:p><w:r><w:t># no heading</w:t><w:br/><w:t>1. no list</w:t></w:r></w:p>`

func TestDocx(t *testing.T) {
	src := wordOf(t, wordBody)
	want := "# Title\n\n## Second\n\nPlain **bold** \\<x\\> 1\\*2\n\n1. one\n  - in\n\n[link](https://e.org/%28x%29) bad\n\n| a\\|b | c<br>d |\n| --- | --- |\n|  | |\n\n\\# no heading\\\n1\\. no list\n"
	if got := must(t, "md", "docx", src); got != want {
		t.Errorf("md\n%s\n%q", got, got)
	}
	want = "Title\n\nSecond\n\nPlain bold <x> 1*2\n\n1. one\n  - in\n\nlink bad\n\na|b\tc d\n\n\n# no heading\n1. no list\n"
	if got := must(t, "txt", "docx", src); got != want {
		t.Errorf("txt\n%q", got)
	}
	page := must(t, "html", "md", must(t, "md", "docx", src))
	if h := elements(t, page, "h1"); len(h) != 1 || elements(t, page, "strong")[0] != "bold" || !strings.Contains(page, "&lt;x&gt; 1*2") {
		t.Errorf("%s", page)
	}
}

const odNS = `<office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="tb" xmlns:style="s" xmlns:fo="fo" xmlns:xlink="x" xmlns:draw="d" xmlns:presentation="p"><office:automatic-styles><style:style style:name="B"><style:text-properties fo:font-weight="bold"/></style:style><text:list-style style:name="L"><text:list-level-style-number text:level="1"/></text:list-style></office:automatic-styles><office:body>`

func TestODT(t *testing.T) {
	src := zipOf(t, "mimetype", "application/vnd.oasis.opendocument.text", "content.xml", odNS+`<office:text>
<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>
<text:h text:outline-level="2">Head</text:h>
<text:p>a<text:s text:c="3"/>b <text:span text:style-name="B">bold</text:span><text:note><text:p>note</text:p></text:note><text:tab/>
   c<text:line-break/>d</text:p>
<text:list text:style-name="L"><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>in</text:p></text:list-item></text:list></text:list-item></text:list>
<text:p><text:a xlink:href="https://e.org">l</text:a></text:p>
<table:table><table:table-row><table:table-cell table:number-columns-repeated="2"><text:p>x</text:p></table:table-cell><table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>
</office:text></office:body></office:document-content>`)
	want := "Head\n\na   b bold\t c\nd\n\n1. one\n   1. in\n\nl\n\nx\tx\t\n"
	if got := must(t, "txt", "odt", src); got != want {
		t.Errorf("%q", got)
	}
	if got := must(t, "md", "odt", src); !strings.Contains(got, "## Head\n") || !strings.Contains(got, "**bold**") || !strings.Contains(got, "[l](https://e.org)") || !strings.Contains(got, "| x | x |  |\n") {
		t.Errorf("%q", got)
	}
	locked := zipOf(t, "META-INF/manifest.xml", `<m:manifest xmlns:m="m"><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>`, "content.xml", "\x01\x02")
	fails(t, "locked", "txt", "odt", locked, convert.ErrLocked)
}

func TestODP(t *testing.T) {
	src := zipOf(t, "content.xml", odNS+`<office:presentation><draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>First</text:p></draw:text-box></draw:frame><draw:frame><draw:text-box><text:list><text:list-item><text:p>point</text:p></text:list-item></text:list></draw:text-box></draw:frame><presentation:notes><text:p>notes</text:p></presentation:notes></draw:page></office:presentation></office:body></office:document-content>`)
	if got := must(t, "md", "odp", src); got != "## First\n\n- point\n" {
		t.Errorf("%q", got)
	}
}

func TestPptx(t *testing.T) {
	slide := func(title, body string) string {
		return `<p:sld xmlns:p="p" xmlns:a="a"><p:sp><p:nvSpPr><p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>` + title + `</a:t></a:r></a:p></p:txBody></p:sp><p:sp><p:nvPr><p:ph idx="1"/></p:nvPr><p:txBody>` + body + `</p:txBody></p:sp></p:sld>`
	}
	src := zipOf(t,
		"ppt/presentation.xml", `<p:presentation xmlns:p="p" xmlns:r="r"><p:sldIdLst><p:sldId id="256" r:id="b"/><p:sldId id="257" r:id="a"/></p:sldIdLst></p:presentation>`,
		"ppt/_rels/presentation.xml.rels", `<R><Relationship Id="a" Target="slides/slide1.xml"/><Relationship Id="b" Target="/ppt/slides/slide2.xml"/></R>`,
		"ppt/slides/slide1.xml", slide("Last", `<a:p><a:pPr lvl="1"/><a:r><a:rPr b="1"/><a:t>deep</a:t></a:r></a:p>`),
		"ppt/slides/slide2.xml", slide("First", `<a:p><a:r><a:t>point</a:t></a:r></a:p>`))
	if got := must(t, "md", "pptx", src); got != "## First\n\n- point\n\n## Last\n\n  - **deep**\n" {
		t.Errorf("%q", got)
	}
}

func epub(t testing.TB) string {
	return zipOf(t, "mimetype", "application/epub+zip",
		"META-INF/container.xml", `<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>`,
		"OEBPS/book.opf", `<package><manifest><item id="1" href="one.xhtml" media-type="application/xhtml+xml"/><item id="2" href="a%20b.xhtml" media-type="application/xhtml+xml"/><item id="3" href="../../etc/passwd" media-type="text/html"/></manifest><spine><itemref idref="2"/><itemref idref="1"/><itemref idref="3"/></spine></package>`,
		"OEBPS/one.xhtml", `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head><body><h1>Two</h1><p>zwei ä</p></body></html>`,
		"OEBPS/a b.xhtml", `<html><body><h1>One</h1><p>eins</p></body></html>`)
}

func TestEPUB(t *testing.T) {
	if got := must(t, "md", "epub", epub(t)); got != "# One\n\neins\n\n# Two\n\nzwei ä\n" {
		t.Errorf("%q", got)
	}
	if got := must(t, "txt", "epub", epub(t)); got != "One\n\neins\n\nTwo\n\nzwei ä\n" {
		t.Errorf("%q", got)
	}
}

func TestT2Hostile(t *testing.T) {
	bomb := wordOf(t, "<w:p><w:r><w:t>"+strings.Repeat("x", 70<<20)+"</w:t></w:r></w:p>")
	lol := zipOf(t, "word/document.xml", `<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>`+wordNS+"<w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>")
	xxe := zipOf(t, "word/document.xml", `<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>`+wordNS+"<w:p><w:r><w:t>&a;</w:t></w:r></w:p></w:body></w:document>")
	good := wordOf(t, wordBody)
	for _, ext := range []string{"docx", "odt", "pptx", "odp", "epub"} {
		fails(t, ext+" empty", "txt", ext, "", convert.ErrBroken)
		fails(t, ext+" cut", "txt", ext, good[:len(good)/2], convert.ErrBroken)
		fails(t, ext+" text", "md", ext, "plain", convert.ErrBroken)
		fails(t, ext+" a zip", "md", ext, zipOf(t, "x", "y"), convert.ErrBroken)
		fails(t, ext+" locked", "md", ext, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"+strings.Repeat("\x00", 600), convert.ErrLocked)
	}
	fails(t, "bomb", "txt", "docx", bomb, convert.ErrTooLarge)
	fails(t, "entities", "txt", "docx", lol, convert.ErrBroken)
	fails(t, "external entity", "txt", "docx", xxe, convert.ErrBroken)
	fails(t, "cut xml", "txt", "docx", zipOf(t, "word/document.xml", wordNS), convert.ErrBroken)
	fails(t, "a wide table", "txt", "odt", zipOf(t, "content.xml", odNS+`<table:table><table:table-row>`+strings.Repeat(`<table:table-cell table:number-columns-repeated="1000"><text:p>x</text:p></table:table-cell>`, 2000)+`</table:table-row></table:table></office:body></office:document-content>`), convert.ErrTooLarge)
}

// Whatever XML a document holds, its text is text or an error of a kind.
func FuzzOffice(f *testing.F) {
	f.Add("docx", "word/document.xml", wordNS+wordBody+"</w:body></w:document>")
	f.Add("odt", "content.xml", odNS+`<text:list><table:table><text:p/></table:table></text:list></office:body></office:document-content>`)
	f.Add("pptx", "ppt/presentation.xml", `<p><sldId r:id="x"/></p>`)
	f.Add("epub", "META-INF/container.xml", `<rootfile full-path="x"/>`)
	f.Fuzz(func(t *testing.T, ext, part, xml string) {
		if ext != "docx" && ext != "odt" && ext != "odp" && ext != "pptx" && ext != "epub" || strings.HasSuffix(part, "/") {
			return
		}
		out, err := run(t.Context(), t, "md", ext, zipOf(t, part, xml), convert.Limits{})
		if k := convert.KindOf(err); err != nil && k != convert.ErrBroken && k != convert.ErrTooLarge && k != convert.ErrLocked {
			t.Errorf("%v", err)
		}
		if !utf8.ValidString(out) {
			t.Errorf("%q", out)
		}
	})
}
