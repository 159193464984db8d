// Package text is the engine for what is text at heart: Markdown and HTML, data in json, yaml and toml, and the text of
// office documents and books.
//
//	md ─ goldmark ─▶ html ─▶ html | txt          json | yaml | toml ─▶ value ─▶ json | yaml | toml
//	html ─▶ md | txt                             docx | odt | pptx | odp ─▶ blocks ─▶ md | txt
//	epub ─ its chapters, html ─▶ md | txt        txt ─▶ html | pdf, in a font that comes with the program
//
// Of an office document the text is taken: headings, paragraphs, lists, tables, links, bold and italic. Pictures, notes and
// layout are not.
//
// Invariants:
//
//	T1: nothing that a source names is opened or fetched, and no HTML that stands in Markdown comes into a result.
//	T2: of a zip no more is unpacked than the limits say, whatever it says, and its XML has no entities but the five.
//	T3: text becomes text: what means something to Markdown or HTML is escaped where the source meant it literally.
//	T4: nesting is bounded before anything that recurses sees it; no bomb of anchors unfolds.
//	T5: a cancelled run ends at its next block, read or write; what a library does meanwhile is abandoned.
package text
