package exec

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
)

func textTools() []*tool {
	return []*tool{
		{
			name: "pandoc", program: "pandoc", packages: "pandoc",
			ask: []string{"--version"}, version: regexp.MustCompile(`^pandoc(?:\.exe)? (\d+(?:\.\d+)+)`),
			sample: sample{from: "md", to: "docx", content: []byte("# A\n\nsample\n")}, edges: pandocEdges,
		},
		{
			name: "tesseract", program: "tesseract", packages: "tesseract-ocr",
			ask: []string{"--version"}, version: regexp.MustCompile(`^tesseract (\d+(?:\.\d+)+)`),
			sample: sample{from: "png", to: "txt", op: "ocr", content: blankPNG()}, learn: learnLanguages, edges: ocrEdges,
		},
	}
}

// pandocNames are formats as pandoc calls them. Markdown is that of GitHub, as everywhere here.
var pandocNames = map[string]string{"md": "gfm", "docx": "docx", "odt": "odt", "epub": "epub", "txt": "plain", "rtf": "rtf"}

func pandocEdges(*program) []edge {
	var out []edge
	for _, pair := range []struct {
		from, to string
		loss     int
	}{
		{"md", "docx", 1},
		{"md", "odt", 1},
		{"md", "epub", 1},
		{"md", "rtf", 1},
		{"docx", "md", 10},
		{"odt", "md", 10},
		{"epub", "md", 10},
		{"epub", "docx", 10},
		{"epub", "txt", 100},
	} {
		out = append(out, edge{Edge: convert.Edge{Op: pair.to, From: pair.from, To: pair.to, Cost: 3, Loss: pair.loss}, do: document})
	}
	return out
}

// noPictures puts in the place of each picture that a text names its caption: a name may lead anywhere, and the engine has
// no file but its source. Pictures inside a document that goes on as a document stay: they are in pandoc's own bag.
const noPictures = `
function Image(el)
  if FORMAT ~= "gfm" and FORMAT ~= "json" and pandoc.mediabag.lookup(el.src) then return nil end
  return el.caption
end
function Meta(m)
  for _, key in ipairs{"cover-image", "css", "stylesheet", "bibliography", "csl", "reference-doc", "include-before", "include-after", "header-includes"} do
    m[key] = nil
  end
  return m
end
`

// document makes a document of a document. Of Markdown it does so in two steps, for some writers fetch pictures before a
// filter takes them away.
func document(ctx context.Context, t *task) error {
	if err := os.WriteFile(t.path("filter.lua"), []byte(noPictures), 0o600); err != nil {
		return fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	from, in := pandocNames[t.edge.From], t.in()
	filter := []string{"--lua-filter", "filter.lua"}
	if t.edge.From == "md" {
		const parsed = "parsed.json"
		if _, err := t.run(ctx, t.program.path, append(filter, "--from", "gfm-raw_html", "--to", "json", "--output", parsed, in)...); err != nil {
			return err
		}
		from, in, filter = "json", parsed, nil
	}
	args := append(filter, "--from", from, "--to", pandocNames[t.to], "--standalone", "--wrap=none", "--output", t.out(), in)
	_, err := t.run(ctx, t.program.path, args...)
	return err
}

const defaultLanguage = "eng"

func learnLanguages(ctx context.Context, p *program, dir string) error {
	out, err := p.answer(ctx, dir, p.path, "--list-langs")
	if err != nil {
		return err
	}
	lines := strings.Fields(string(out))
	for _, word := range lines {
		p.facts["lang "+word] = true
	}
	if !p.facts["lang "+defaultLanguage] {
		return fmt.Errorf("it has no language %s", defaultLanguage)
	}
	return nil
}

func ocrEdges(*program) []edge {
	var out []edge
	for _, from := range []string{"png", "jpg", "tiff"} {
		for to, loss := range map[string]int{"txt": 100, "pdf": 1} {
			if from == "tiff" && to == "pdf" {
				continue // it writes the picture to a file in /tmp, where the sandbox has none: by way of png it does not
			}
			out = append(out, edge{
				Edge: convert.Edge{Op: "ocr", From: from, To: to, Options: []string{"format", "lang"}, Cost: 30, Loss: loss}, do: readText,
			})
		}
	}
	slices.SortFunc(out, func(a, b edge) int { return strings.Compare(a.From+a.To, b.From+b.To) })
	return out
}

// readText reads a picture of text: the text alone, or the picture as a PDF with the text behind it.
func readText(ctx context.Context, t *task) error {
	lang := t.step.Options["lang"]
	if lang == "" {
		lang = defaultLanguage
	}
	for one := range strings.SplitSeq(lang, "+") {
		if !t.program.facts["lang "+one] {
			return fmt.Errorf("%w: language %.20q is not installed", convert.ErrUnsupported, one)
		}
	}
	_, err := t.runSpec(ctx, sandbox.Spec{
		Argv: []string{t.program.path, t.in(), "out", "-l", lang, t.to}, Env: []string{"OMP_THREAD_LIMIT=2"},
	})
	return err
}
