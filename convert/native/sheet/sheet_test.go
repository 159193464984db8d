package sheet_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/net/html"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/convert/native/sheet"
)

func run(ctx context.Context, t testing.TB, rest, ext string, src []byte, l convert.Limits) ([]byte, error) {
	t.Helper()
	p, err := magic.Parse(rest, ext)
	if err != nil {
		t.Fatal(err)
	}
	return runStep(ctx, t, p.Steps[0], ext, src, l)
}

func runStep(ctx context.Context, t testing.TB, step magic.Step, ext string, src []byte, l convert.Limits) ([]byte, error) {
	t.Helper()
	plan, err := convert.NewRegistry(sheet.New()).Plan(step, ext, false)
	if err != nil {
		return nil, err
	}
	out, err := plan.Run(ctx, task(t, step, ext, src, l), t.TempDir())
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b, nil
}

func task(t testing.TB, step magic.Step, ext string, src []byte, l convert.Limits) convert.Task {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in."+ext)
	if err := os.WriteFile(path, src, 0o400); err != nil {
		t.Fatal(err)
	}
	return convert.Task{Step: step, Limits: l, Sources: []convert.Source{{Path: path, Name: "in." + ext, Ext: ext, Size: int64(len(src))}}}
}

func must(t testing.TB, rest, ext string, src string) string {
	t.Helper()
	b, err := run(t.Context(), t, rest, ext, []byte(src), convert.Limits{})
	if err != nil {
		t.Fatalf("%s of %s: %v", rest, ext, err)
	}
	return string(b)
}

type page struct {
	name  string
	cells map[string]any
}

// workbook makes one with the sheets given.
func workbook(t testing.TB, pages ...page) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, p := range pages {
		if i == 0 {
			if err := f.SetSheetName("Sheet1", p.name); err != nil {
				t.Fatal(err)
			}
		} else if _, err := f.NewSheet(p.name); err != nil {
			t.Fatal(err)
		}
		for at, v := range p.cells {
			if err := f.SetCellValue(p.name, at, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func two(t testing.TB) string {
	return workbook(t,
		page{"First", map[string]any{"A1": "name", "B1": "n", "A2": "ä,b", "B2": 12.5, "A4": "line\nbreak", "B4": "=1+1", "C4": time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC)}},
		page{"Second sheet", map[string]any{"A1": "other", "A2": true}},
	)
}

func rowsOf(t testing.TB, text string, comma rune) [][]string {
	t.Helper()
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = comma, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestBookToSeparated(t *testing.T) {
	for to, comma := range map[string]rune{"csv": ',', "tsv": '\t'} {
		got := rowsOf(t, must(t, "@"+to, "xlsx", two(t)), comma)
		if len(got) != 4 || !slices.Equal(got[0], []string{"name", "n", ""}) || !slices.Equal(got[1], []string{"ä,b", "12.5", ""}) || !slices.Equal(got[2], []string{"", "", ""}) || got[3][0] != "line\nbreak" || got[3][1] != "=1+1" {
			t.Errorf("%s: %q", to, got)
		}
		if got[3][2] != "2024-05-06" {
			t.Errorf("the date is %q", got[3][2])
		}
		got = rowsOf(t, must(t, "@"+to+",sheet=Second sheet", "xlsx", two(t)), comma)
		if fmt.Sprint(got) != "[[other] [TRUE]]" {
			t.Errorf("%s: second %q", to, got)
		}
	}
	if _, err := run(t.Context(), t, "@csv,sheet=Third", "xlsx", []byte(two(t)), convert.Limits{}); !errors.Is(err, convert.ErrBroken) {
		t.Errorf("no such sheet: %v", err)
	}
}

func TestBookToJSON(t *testing.T) {
	var got []map[string]any
	if err := json.Unmarshal([]byte(must(t, "@json", "xlsx", two(t))), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0]["name"] != "ä,b" || got[0]["n"] != 12.5 || got[2]["n"] != "=1+1" || got[2]["C"] == nil {
		t.Errorf("%v", got)
	}
}

// cellsOf reads the cells of the first table of a page.
func cellsOf(t testing.TB, page string) [][]string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for n := range root.Descendants() {
		switch n.Data {
		case "tr":
			out = append(out, nil)
		case "td", "th":
			text := ""
			for c := range n.Descendants() {
				if c.Type == html.TextNode {
					text += c.Data
				}
			}
			out[len(out)-1] = append(out[len(out)-1], text)
		case "script":
			t.Error("a script")
		}
	}
	return out
}

func TestMarkdownAndHTML(t *testing.T) {
	src := "a,b\n<script>x</script>,1|2\n\"l1\nl2\",*x*\n"
	got := cellsOf(t, must(t, "@html", "csv", src))
	if fmt.Sprint(got) != "[[a b] [<script>x</script> 1|2] [l1l2 *x*]]" {
		t.Errorf("html %v", got)
	}
	want := "| a | b |\n| --- | --- |\n| &lt;script>x&lt;/script> | 1\\|2 |\n| l1<br>l2 | \\*x\\* |\n"
	if got := must(t, "@md", "csv", src); got != want {
		t.Errorf("md %q", got)
	}
}

func TestS2RoundTrips(t *testing.T) {
	cells := [][]string{
		{"id", "text", "n"},
		{"007", "a,b;\"c\"", "1.50"},
		{"", " lead", "-3"},
		{"123456789012345678", "line\nbreak\ttab", "1e5"},
		{"+49 30", "=SUM(A1)", "-0.5"},
		{"ü☂", "</td>", "0"},
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(cells); err != nil {
		t.Fatal(err)
	}
	for _, way := range [][]string{{"tsv", "csv"}, {"json", "csv"}, {"json", "tsv", "json", "csv"}} {
		text, ext := b.String(), "csv"
		for _, to := range way {
			text, ext = must(t, "@"+to, ext, text), to
		}
		if got := rowsOf(t, text, ','); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", cells) {
			t.Errorf("%v: %q", way, got)
		}
	}
	var typed []map[string]any
	if err := json.Unmarshal([]byte(must(t, "@json", "csv", b.String())), &typed); err != nil {
		t.Fatal(err)
	}
	if typed[0]["id"] != "007" || typed[0]["n"] != 1.5 || typed[2]["id"] != "123456789012345678" || typed[4]["n"] != float64(0) {
		t.Errorf("%v", typed)
	}
}

func TestJSONShapes(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"objects", `[{"a":1,"b":"x"},{"b":null,"c":[1, 2]}]`, "a,b,c\n1,x,\n,,\"[1,2]\"\n"},
		{"lists", `[["a","b"],[1.50,true]]`, "a,b\n1.50,true\n"},
		{"values", `[1,"two",3]`, "1\ntwo\n3\n"},
		{"one object", `{"z":1,"a":{"b": 2}}`, "z,a\n1,\"{\"\"b\"\":2}\"\n"},
		{"empty", `[]`, ""},
		{"bom", "\ufeff[1]", "1\n"},
	} {
		if got := must(t, "@csv", "json", c.src); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	for _, bad := range []string{"", "[1,", `[{"a":1},[1]]`, "{", "nonsense", strings.Repeat("[", 1<<20)} {
		if _, err := run(t.Context(), t, "@csv", "json", []byte(bad), convert.Limits{}); !errors.Is(err, convert.ErrBroken) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestEncodingsAndSeparators(t *testing.T) {
	utf16 := "\xff\xfea\x00;\x00\xe4\x00\n\x00"
	for _, c := range []struct{ name, src string }{
		{"comma", "a,ä\n"},
		{"semicolon", "a;ä\n"},
		{"tab", "a\tä\n"},
		{"quoted commas", "\"a\";ä\n"},
		{"bom", "\ufeffa;ä\n"},
		{"utf-16", utf16},
		{"windows", "a;\xe4\n"},
	} {
		if got := must(t, "@tsv", "csv", c.src); got != "a\tä\n" {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	split := strings.Repeat("x", 65535) + "ä,b\n" // a letter over the end of a read
	if got := must(t, "@tsv", "csv", split); got != strings.Repeat("x", 65535)+"ä\tb\n" {
		t.Errorf("%q", got[65530:])
	}
}

func TestS1Safe(t *testing.T) {
	book := workbook(t, page{"S", map[string]any{"A1": "=1+1", "B1": "+x", "C1": "-5", "D1": "@cmd", "E1": -7, "F1": "a=b", "G1": "-x"}})
	want := "[['=1+1 '+x -5 '@cmd -7 a=b '-x]]"
	if got := rowsOf(t, must(t, "@csv,safe=yes", "xlsx", book), ','); fmt.Sprint(got) != want {
		t.Errorf("%q", got)
	}
	if got := rowsOf(t, must(t, "@tsv,safe=1", "csv", "=1+1,+x,-5,@cmd,-7,a=b,-x\n"), '\t'); fmt.Sprint(got) != want {
		t.Errorf("%q", got)
	}
	if _, err := run(t.Context(), t, "@json,safe=1", "xlsx", []byte(book), convert.Limits{}); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("safe json: %v", err)
	}
}

func TestS1ToBook(t *testing.T) {
	src := "id,v\n007,=1+1\n1.5,<b>&amp;\nü,\"  spaces  \"\n"
	book := must(t, "@xlsx", "csv", src)
	z, err := zip.NewReader(strings.NewReader(book), int64(len(book)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("xl/worksheets/sheet1.xml")
	if err != nil {
		t.Fatal(err)
	}
	xml, err := io.ReadAll(f)
	if err != nil || bytes.Contains(xml, []byte("<f>")) || !bytes.Contains(xml, []byte("<v>1.5</v>")) || bytes.Contains(xml, []byte("<v>7</v>")) {
		t.Errorf("%s, %v", xml, err)
	}
	x, err := excelize.OpenReader(strings.NewReader(book))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	rows, err := x.GetRows("Sheet1")
	if err != nil || fmt.Sprintf("%q", rows) != `[["id" "v"] ["007" "=1+1"] ["1.5" "<b>&amp;"] ["ü" "  spaces  "]]` {
		t.Errorf("%q, %v", rows, err)
	}
	if got := must(t, "@csv", "xlsx", must(t, "@xlsx", "json", `[{"a":1,"b":"x"}]`)); got != "a,b\n1,x\n" {
		t.Errorf("json by way of xlsx: %q", got)
	}
	for name, src := range map[string]string{
		"columns": strings.Repeat("x,", 16384) + "y\n", "cell": strings.Repeat("x", 40000) + "\n",
	} {
		if _, err := run(t.Context(), t, "@xlsx", "csv", []byte(src), convert.Limits{}); !errors.Is(err, convert.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestS4Sheets(t *testing.T) {
	e := sheet.New()
	list := func(rest, book string) ([]convert.Member, error) {
		p, err := magic.Parse(rest, "xlsx")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := convert.NewRegistry(e).Plan(p.Steps[0], "xlsx", false)
		if err != nil {
			return nil, err
		}
		m, _, err := plan.List(t.Context(), task(t, p.Steps[0], "xlsx", []byte(book), convert.Limits{}), t.TempDir())
		return m, err
	}
	m, err := list("@sheets,safe=1", two(t))
	if err != nil || len(m) != 2 || m[0].Name != "First.csv" || m[1].Name != "Second sheet.csv" {
		t.Fatalf("%+v, %v", m, err)
	}
	if m[1].Step.Key() != "@csv,safe=yes,sheet=Second sheet" {
		t.Errorf("%s", m[1].Step.Key())
	}
	b, err := runStep(t.Context(), t, m[1].Step, "xlsx", []byte(two(t)), convert.Limits{})
	if err != nil || string(b) != "other\nTRUE\n" {
		t.Errorf("%q, %v", b, err)
	}
	if m, err := list("@sheets,format=json", two(t)); err != nil || m[0].Name != "First.json" || m[0].Step.Op != "json" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, rest := range []string{"@sheets,format=png", "@sheets,format=json,safe=1"} {
		if _, err := list(rest, two(t)); !errors.Is(err, convert.ErrUnsupported) {
			t.Errorf("%s: %v", rest, err)
		}
	}
	hostile := patch(t, two(t), "xl/workbook.xml", `name="First"`, `name="../../a&#47;b"`, `name="Second sheet"`, `name="..:..*a_b"`)
	m, err = list("@sheets", hostile)
	if err != nil || len(m) != 2 || m[0].Name != "__.._a_b.csv" || m[1].Name != "__.._a_b (2).csv" {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, x := range m {
		if _, err := runStep(t.Context(), t, x.Step, "xlsx", []byte(hostile), convert.Limits{}); err != nil && !errors.Is(err, convert.ErrBroken) {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}

// patch replaces text in one part of a workbook.
func patch(t testing.TB, book, part string, oldnew ...string) string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(book), int64(len(book)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == part {
			all = []byte(strings.NewReplacer(oldnew...).Replace(string(all)))
		}
		o, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Write(all); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestS3Hostile(t *testing.T) {
	good := two(t)
	bomb := patch(t, good, "xl/worksheets/sheet1.xml", "<sheetData>", "<sheetData>"+strings.Repeat("<row></row>", 8<<20))
	styles := patch(t, good, "xl/styles.xml", "</styleSheet>", strings.Repeat(" ", 33<<20)+"</styleSheet>")
	ole := "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600)
	secret := ole
	for _, c := range "EncryptedPackage" {
		secret += string(c) + "\x00"
	}
	entities := patch(t, good, "xl/worksheets/sheet1.xml", "<worksheet", `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><worksheet`, "<sheetData>", "<sheetData>&b;")
	far := patch(t, good, "xl/worksheets/sheet1.xml", "<sheetData>", `<sheetData><row r="99999999"><c r="A99999999"><v>1</v></c></row>`)
	for _, c := range []struct {
		name, src string
		want      error
	}{
		{"unpacks to much", bomb, convert.ErrTooLarge},
		{"large styles", styles, convert.ErrTooLarge},
		{"locked", secret, convert.ErrLocked},
		{"xls", ole, convert.ErrBroken},
		{"empty", "", convert.ErrBroken},
		{"cut", good[:len(good)/2], convert.ErrBroken},
		{"text", "name,n\n", convert.ErrBroken},
		{"a zip", patch(t, good, "none")[:0] + emptyZip(t), convert.ErrBroken},
		{"row beyond the last", far, convert.ErrBroken},
	} {
		if _, err := run(t.Context(), t, "@csv", "xlsx", []byte(c.src), convert.Limits{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if b, err := run(t.Context(), t, "@csv", "xlsx", []byte(entities), convert.Limits{}); err == nil && len(b) > 1000 {
		t.Errorf("entities became %d bytes", len(b))
	}
	if _, err := run(t.Context(), t, "@html", "xlsx", []byte(good), convert.Limits{MaxOutput: 100}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("beyond the output: %v", err)
	}
}

func emptyZip(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	if err := zip.NewWriter(&b).Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestS5Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for ext, src := range map[string]string{"xlsx": two(t), "csv": "a,b\n", "json": "[1]"} {
		to := map[string]string{"xlsx": "csv", "csv": "json", "json": "xlsx"}[ext]
		if _, err := run(ctx, t, "@"+to, ext, []byte(src), convert.Limits{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", ext, err)
		}
	}
}

// What comes from any bytes as json is json, and goes back to the same cells.
func FuzzText(f *testing.F) {
	f.Add("csv", "a,b\n1,\"x\ny\"\n")
	f.Add("tsv", "a\tb\n")
	f.Add("json", `[{"a":1},{"b":[2]}]`)
	f.Fuzz(func(t *testing.T, ext, src string) {
		if ext != "csv" && ext != "tsv" && ext != "json" {
			return
		}
		via := "json"
		if ext == "json" {
			via = "csv"
		}
		b, err := run(t.Context(), t, "@"+via, ext, []byte(src), convert.Limits{})
		if err != nil {
			if k := convert.KindOf(err); k != convert.ErrBroken && k != convert.ErrTooLarge {
				t.Errorf("%v", err)
			}
			return
		}
		if via == "json" && !json.Valid(b) {
			t.Errorf("%q", b)
		}
		if via == "csv" {
			rowsOf(t, string(b), ',')
		}
	})
}
