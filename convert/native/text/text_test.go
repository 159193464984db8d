package text_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"dropfs/convert"
)

// elements reads the text of each element of a name.
func elements(t testing.TB, page, name string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			text := ""
			for c := range n.Descendants() {
				if c.Type == html.TextNode {
					text += c.Data
				}
			}
			out = append(out, text)
		}
	}
	return out
}

func TestMarkdownToHTML(t *testing.T) {
	src := "# Title ä\n\nA *word* and <b>raw</b>.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n\n```go\nx < y\n```\n\n~~gone~~ https://example.org\n"
	page := must(t, "html", "md", src)
	for name, want := range map[string][]string{
		"h1": {"Title ä"}, "em": {"word"}, "td": {"1", "2"}, "del": {"gone"}, "b": nil, "code": {"x < y\n"}, "title": {"Title ä"}, "a": {"https://example.org"},
	} {
		if got := elements(t, page, name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestT1NoHTMLOfMarkdown(t *testing.T) {
	for _, src := range []string{
		"<script>alert(1)</script>", "[x](javascript:alert(1))", "<img src=x onerror=alert(1)>", "![x](javascript:alert(1))",
		"# </title><script>alert(1)</script>", "<iframe src='file:///etc/passwd'></iframe>", "[x](vbscript:y)", "[x](data:text/html,<script>)",
	} {
		page := must(t, "html", "md", src)
		if s := elements(t, page, "script"); s != nil || strings.Contains(page, "<iframe") || strings.Contains(page, "onerror=alert(1)>") && strings.Contains(page, "<img src=x") {
			t.Errorf("%q became %s", src, page)
		}
		for _, bad := range []string{`href="javascript`, `src="javascript`, `href="vbscript`, `href="data`} {
			if strings.Contains(page, bad) {
				t.Errorf("%q became %s", src, page)
			}
		}
	}
}

func TestPlainText(t *testing.T) {
	for _, c := range []struct{ ext, src, want string }{
		{"md", "# T\n\nA *b*\nc.\n\n- one\n- two\n  - in\n\n1. x\n2. y\n", "T\n\nA b c.\n\n- one\n- two\n  - in\n\n1. x\n2. y\n"},
		{"md", "| a | b |\n|---|---|\n| 1 | 2 |\n", "a\tb\n1\t2\n"},
		{"md", "```\n  x\n\n  y\n```\n\nz\n", "  x\n\n  y\n\nz\n"},
		{"html", "<title>no</title><style>no</style><p>a  b<br>c</p><script>no</script><div>d<b>e</b> f</div>", "a b\nc\n\nde f\n"},
		{"html", "<ol start=3><li><p>x</p><li>y</ol>", "3. x\n4. y\n"},
		{"html", "<meta charset=iso-8859-1><p>\xe4</p>", "ä\n"},
		{"html", "", ""},
	} {
		if got := must(t, "txt", c.ext, c.src); got != c.want {
			t.Errorf("%q is %q, want %q", c.src, got, c.want)
		}
	}
}

func TestHTMLToMarkdown(t *testing.T) {
	got := must(t, "md", "html", "<h2>T</h2><p>a <b>b</b> <a href='https://e.org/x'>l</a> 1*2*3</p><table><tr><th>h<th>i<tr><td>1<td>2</table><script>no</script>")
	for _, want := range []string{"## T\n", "**b**", "[l](https://e.org/x)", "| h | i |", "| 1 | 2 |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "no") {
		t.Errorf("%q", got)
	}
	if again := elements(t, must(t, "html", "md", got), "strong"); !reflect.DeepEqual(again, []string{"b"}) {
		t.Errorf("and back: %q", again)
	}
}

func TestT4Nesting(t *testing.T) {
	fails(t, "quotes", "html", "md", strings.Repeat(">", 100000)+" x", convert.ErrBroken)
	fails(t, "lists", "txt", "md", strings.Repeat("- ", 100000)+" x", convert.ErrBroken)
	fails(t, "elements", "txt", "html", strings.Repeat("<div>", 100000), convert.ErrBroken)
	fails(t, "elements", "md", "html", strings.Repeat("<div>", 100000), convert.ErrBroken)
	fails(t, "json", "yaml", "json", strings.Repeat("[", 100000), convert.ErrBroken)
	fails(t, "json that ends", "yaml", "json", strings.Repeat("[", 1000)+strings.Repeat("]", 1000), convert.ErrBroken)
	fails(t, "yaml", "json", "yaml", strings.Repeat("[", 100000), convert.ErrBroken)
	fails(t, "toml", "json", "toml", "a="+strings.Repeat("[", 100000), convert.ErrBroken)
	fails(t, "toml keys", "json", "toml", "["+strings.Repeat("a.", 100000)+"a]\n", convert.ErrBroken)
	fails(t, "md too long", "html", "md", strings.Repeat("x", 5<<20), convert.ErrTooLarge)
	must(t, "html", "md", strings.Repeat("-", 1000)+"\n"+strings.Repeat("*", 1000)+"\n"+strings.Repeat(".", 1000))
	for name, src := range map[string]string{
		"links": strings.Repeat("[a](", 1<<18), "titles": strings.Repeat("[a](<b)", 1<<17), "escapes": strings.Repeat("[a](\\)", 1<<17),
		"references": strings.Repeat("[a]: b\n", 1<<17), "halves of references": strings.Repeat("[a]\n: ", 1<<17),
		"a table of 10^9 cells": "a\n" + strings.Repeat("|a", 1<<15) + "\n" + strings.Repeat("|-", 1<<15) + "\n" + strings.Repeat("|a\n", 1<<15),
	} {
		fails(t, name, "html", "md", src, convert.ErrTooLarge)
	}
	must(t, "html", "md", strings.Repeat("[a](", 500)+"\n\n"+strings.Repeat("[a](", 500))
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 10) + "]\n"
	}
	fails(t, "anchors", "json", "yaml", bomb, convert.ErrTooLarge)
	fails(t, "long anchors", "json", "yaml", "a: &a "+strings.Repeat("x", 1<<20)+"\nb: ["+strings.Repeat("*a,", 1000)+"]\n", convert.ErrTooLarge)
	fails(t, "an anchor in itself", "json", "yaml", "a: &a [*a]\n", convert.ErrBroken)
	fails(t, "a merge of itself", "json", "yaml", "a: &a\n  <<: *a\n", convert.ErrBroken)
}

func TestData(t *testing.T) {
	const src = `{"z": 1, "a": [true, null, "x", 1.5, {}], "s": "no", "t": "2024-01-02", "n": "12", "big": 123456789012345678901, "l": "one\ntwo\n", "e": "", "h": "<&>"}`
	yaml := must(t, "yaml", "json", src)
	if !strings.HasPrefix(yaml, "z: 1\na:\n") || !strings.Contains(yaml, `s: "no"`) || !strings.Contains(yaml, "l: |\n") || !strings.Contains(yaml, "big: 123456789012345678901\n") {
		t.Errorf("%s", yaml)
	}
	back := must(t, "json", "yaml", yaml)
	if strings.Index(back, `"z"`) > strings.Index(back, `"a"`) || !strings.Contains(back, "<&>") || !strings.Contains(back, ": 123456789012345678901") {
		t.Errorf("%s", back)
	}
	equalJSON(t, back, src)

	const plain = `{"b": {"c": [1, 2.5, "x"], "d": {"e": true}}, "list": [{"x": 1}, {"x": 2}], "s": "line\nbreak \"q\""}`
	equalJSON(t, must(t, "json", "toml", must(t, "toml", "json", plain)), plain)
	equalJSON(t, must(t, "json", "yaml", must(t, "yaml", "toml", must(t, "toml", "yaml", must(t, "yaml", "json", plain)))), plain)
	equalJSON(t, must(t, "json", "toml", must(t, "toml", "json", `{"a": null, "b": 1}`)), `{"b": 1}`)
	equalJSON(t, must(t, "json", "toml", "d = 2024-01-02T03:04:05Z\nl = 2024-01-02\nt = 03:04:05\nf = 3.0\n"), `{"d": "2024-01-02T03:04:05Z", "l": "2024-01-02", "t": "03:04:05", "f": 3.0}`)
	if got, want := must(t, "yaml", "json", `{"a": 1e2, "b": -4E-08, "c": 1.5e+3, "d": 12, "e": "1e2"}`), "a: 1.0e+2\nb: -4.0e-08\nc: 1.5e+3\nd: 12\ne: \"1e2\"\n"; got != want {
		t.Errorf("numbers for YAML 1.1: %q, want %q", got, want)
	}
	equalJSON(t, must(t, "json", "yaml", "a: 0x10\nb: +5\nc: 1_000\nd: ~\ne: 'on'\nf: 1e3\ng: 2024-01-02\n"), `{"a": 16, "b": 5, "c": 1000, "d": null, "e": "on", "f": 1000, "g": "2024-01-02"}`)
	equalJSON(t, must(t, "json", "yaml", "base: &b {x: 1, y: 2}\nv:\n  <<: *b\n  y: 3\n"), `{"base": {"x": 1, "y": 2}, "v": {"y": 3, "x": 1}}`)
	equalJSON(t, must(t, "json", "yaml", "--- 1\n--- [2]\n"), `[1, [2]]`)
	equalJSON(t, must(t, "json", "yaml", ""), `null`)
	for _, c := range []struct{ name, to, ext, src string }{
		{"list as toml", "toml", "json", "[1]"},
		{"null in a list", "toml", "json", `{"a": [null]}`},
		{"two values", "yaml", "json", "1 2"},
		{"cut", "yaml", "json", `{"a": `},
		{"infinity", "json", "yaml", "a: .inf"},
		{"one key twice", "json", "yaml", "a: 1\na: 2"},
		{"no yaml", "json", "yaml", "a: [\n"},
		{"no toml", "json", "toml", "a = "},
		{"a key that is a list", "json", "yaml", "? [a]\n: 1"},
	} {
		fails(t, c.name, c.to, c.ext, c.src, convert.ErrBroken)
	}
}

func equalJSON(t testing.TB, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestT5Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for ext, to := range map[string]string{"md": "html", "html": "md", "json": "yaml", "docx": "md", "epub": "txt"} {
		if _, err := run(ctx, t, to, ext, wordOf(t, "<w:p/>"), convert.Limits{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", ext, err)
		}
	}
	if _, err := run(t.Context(), t, "html", "md", "x", convert.Limits{MaxOutput: 10}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// What comes of any json is yaml that is the same again.
func FuzzData(f *testing.F) {
	f.Add(`{"a": [1, 1.50, "x: y", null, true, "- z", "0x1", "1_0", "\u2028", "~"]}`)
	f.Add(`"\u0000\n "`)
	f.Fuzz(func(t *testing.T, src string) {
		if !utf8.ValidString(src) {
			return
		}
		yaml, err := run(t.Context(), t, "yaml", "json", src, convert.Limits{})
		if err != nil {
			return
		}
		back, err := run(t.Context(), t, "json", "yaml", yaml, convert.Limits{})
		if err != nil {
			t.Fatalf("%q by way of %q: %v", src, yaml, err)
		}
		var g, w any
		if json.Unmarshal([]byte(back), &g) == nil && json.Unmarshal([]byte(src), &w) == nil && !reflect.DeepEqual(g, w) {
			t.Errorf("%q by way of %q is %q", src, yaml, back)
		}
	})
}
