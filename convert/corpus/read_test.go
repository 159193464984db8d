package corpus

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// reader opens files with programs that are no engines here. dir is a directory for what they need to write.
type reader struct {
	t   *testing.T
	dir string
}

func newReader(t *testing.T) reader { return reader{t, t.TempDir()} }

// run runs a program of this machine.
func (r reader) run(name string, args ...string) (string, error) {
	return outside(r.dir, nil, name, args...)
}

// unpacked runs a program out of packages that were fetched: the first has it, the others what it is linked with.
func (r reader) unpacked(path string, pkgs []string, args ...string) (string, error) {
	var libs []string
	for _, pkg := range pkgs {
		dirs, err := filepath.Glob(filepath.Join(shelf.root(r.t, pkg), "usr/lib/*-linux-gnu*"))
		if err != nil {
			return "", err
		}
		libs = append(libs, dirs...)
	}
	env := []string{"LD_LIBRARY_PATH=" + strings.Join(libs, ":"), "HOME=" + r.dir}
	return outside(r.dir, env, filepath.Join(shelf.root(r.t, pkgs[0]), path), args...)
}

// look asks testdata/look.py.
func (r reader) look(args ...string) (string, error) {
	script, err := filepath.Abs("testdata/look.py")
	if err != nil {
		return "", err
	}
	var libs []string
	for _, pkg := range []string{"python3-yaml", "python3-olefile"} {
		libs = append(libs, filepath.Join(shelf.root(r.t, pkg), "usr/lib/python3/dist-packages"))
	}
	return outside(r.dir, []string{"PYTHONPATH=" + strings.Join(libs, ":")}, "python3", append([]string{"-B", script}, args...)...)
}

// text is what a document says, in the order in which it says it. engine is the one that made it; "" none did.
func (r reader) text(path, ext, engine string) (string, error) {
	switch ext {
	case "pdf":
		return r.run("pdftotext", "-enc", "UTF-8", path, "-")
	case "txt", "md", "csv", "tsv", "json":
		b, err := os.ReadFile(path)
		return string(b), err
	case "doc":
		home := filepath.Join(shelf.root(r.t, "antiword"), "usr/share/antiword")
		out, err := outside(r.dir, []string{"ANTIWORDHOME=" + home}, filepath.Join(shelf.root(r.t, "antiword"), "usr/bin/antiword"), "-m", "UTF-8", "-w", "0", path)
		if err != nil && strings.Contains(err.Error(), "too small to handle") { // it wants more than a few lines
			out, err = r.catdoc("usr/bin/catdoc", path)
		}
		return strings.ReplaceAll(out, "[pic]", ""), err
	case "rtf":
		return r.rtf(path, engine)
	}
	return r.look("text", path, ext)
}

// rtf is read by LibreOffice where pandoc wrote it, else by unrtf, which drops the links of pandoc's.
func (r reader) rtf(path, engine string) (string, error) {
	if engine != "pandoc" {
		conf := filepath.Join(shelf.root(r.t, "unrtf"), "usr/share/unrtf")
		out, err := r.unpacked("usr/bin/unrtf", []string{"unrtf"}, "-P", conf, "--html", "--quiet", path)
		if err != nil {
			return "", err
		}
		page := filepath.Join(r.dir, "rtf.html")
		if err := os.WriteFile(page, []byte(out), 0o600); err != nil {
			return "", err
		}
		return r.look("text", page, "html")
	}
	_, err := r.run("soffice", "-env:UserInstallation=file://"+filepath.Join(r.dir, "profile"), "--headless", "--norestore",
		"--convert-to", "txt:Text (encoded):UTF8", "--outdir", filepath.Join(r.dir, "rtf"), path)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(filepath.Join(r.dir, "rtf", strings.TrimSuffix(filepath.Base(path), ".rtf")+".txt"))
	return string(b), err
}

// catdoc runs a program of that package; it finds its tables of characters by a file in HOME.
func (r reader) catdoc(program, path string) (string, error) {
	tables := filepath.Join(shelf.root(r.t, "catdoc"), "usr/share/catdoc")
	conf := fmt.Sprintf("source_charset = cp1252\ntarget_charset = utf-8\ncharset_path = %[1]s\nmap_path = %[1]s\n", tables)
	if err := os.WriteFile(filepath.Join(r.dir, ".catdocrc"), []byte(conf), 0o600); err != nil {
		return "", err
	}
	return r.unpacked(program, []string{"catdoc"}, "-dutf-8", path)
}

var (
	hyphen = regexp.MustCompile(`[-\x{2010}\x{ad}\x02]\s*\n\s*`)
	marks  = regexp.MustCompile("[*`\\\\]|\\]\\([^)\n]*\\)|\\[\\^?")
	tags   = regexp.MustCompile(`</?(a|b|br|code|col|colgroup|div|em|figure|figcaption|h\d|i|img|li|ol|p|pre|span|strong|sub|sup|table|tbody|td|tfoot|th|thead|tr|u|ul)\b[^<>]*>`)
)

// words are those of a text, as no layout changes them: without case, ligatures and hyphens at the end of a line.
func words(text, ext string) []string {
	if ext == "md" {
		text = marks.ReplaceAllString(tags.ReplaceAllString(text, " "), "")
	}
	text = strings.ReplaceAll(hyphen.ReplaceAllString(norm.NFKC.String(text), ""), "\u00ad", "")
	var out []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		if len([]rune(w)) > 1 {
			out = append(out, w)
		}
	}
	return out
}

// sameWords tells how much of the words of a source a result lacks, and how many it has that the source has not: each is
// counted as often as it occurs. most bounds both, or the first only where there may be more.
func sameWords(want, got []string, most float64, mayHaveMore bool) error {
	if len(want) == 0 {
		return errors.New("the source has no words to look for")
	}
	count := map[string]int{}
	for _, w := range want {
		count[w]++
	}
	for _, w := range got {
		count[w]--
	}
	lacks, more := 0, 0
	var examples []string
	for w, n := range count {
		lacks += max(n, 0)
		more += max(-n, 0)
		if n != 0 {
			examples = append(examples, fmt.Sprintf("%+d %s", -n, w))
		}
	}
	a, b := float64(lacks)/float64(len(want)), float64(more)/float64(len(want))
	if a <= most && (b <= most || mayHaveMore) {
		return nil
	}
	slices.SortFunc(examples, func(x, y string) int {
		return cmp.Or(cmp.Compare(len(y), len(x)), cmp.Compare(x, y))
	})
	return fmt.Errorf("of %d words %.1f %% are missing and %.1f %% too many: %.400s", len(want), a*100, b*100, strings.Join(examples, ", "))
}

// rows are those of the first sheet of a table.
func (r reader) rows(path, ext string) ([][]string, error) {
	if ext == "xlsx" {
		script := filepath.Join(shelf.root(r.t, "xlsx2csv"), "usr/share/xlsx2csv/xlsx2csv.py")
		out := filepath.Join(r.dir, "xlsx.csv")
		if _, err := r.run("python3", "-B", script, "--floatformat", "%.15g", path, out); err != nil {
			return nil, err
		}
		path, ext = out, "csv"
	}
	if ext == "xls" {
		out, err := r.catdoc("usr/bin/xls2csv", path)
		if err != nil {
			return nil, err
		}
		first, _, _ := strings.Cut(out, "\f") // a sheet ends with one
		path, ext = filepath.Join(r.dir, "xls.csv"), "csv"
		if err := os.WriteFile(path, []byte(first), 0o600); err != nil {
			return nil, err
		}
	}
	out, err := r.look("rows", path, ext)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		return nil, err
	}
	for i, row := range rows {
		for len(row) > 0 && row[len(row)-1] == "" {
			row = row[:len(row)-1]
		}
		rows[i] = row
	}
	for len(rows) > 0 && len(rows[len(rows)-1]) == 0 {
		rows = rows[:len(rows)-1]
	}
	return rows, nil
}

// sameRows compares two tables cell by cell; numbers as numbers.
func sameRows(want, got [][]string) error {
	if len(want) == 0 {
		return errors.New("the source has no rows to look for")
	}
	if len(want) != len(got) {
		return fmt.Errorf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if len(want[i]) != len(got[i]) {
			return fmt.Errorf("row %d is %q, want %q", i, got[i], want[i])
		}
		for j := range want[i] {
			if !sameCell(want[i][j], got[i][j]) {
				return fmt.Errorf("row %d, column %d is %q, want %q", i, j, got[i][j], want[i][j])
			}
		}
	}
	return nil
}

// truth is how some programs show what is true or false.
var truth = map[string]string{"TRUE": "1", "FALSE": "0"}

func sameCell(a, b string) bool {
	a, b = strings.Join(strings.Fields(a), ""), strings.Join(strings.Fields(b), "")
	if a == b || truth[a] != "" && truth[a] == b || truth[b] != "" && truth[b] == a {
		return true
	}
	if strings.HasPrefix(a, "{") || strings.HasPrefix(a, "[") { // a value that has parts
		var v, w any
		return json.Unmarshal([]byte(a), &v) == nil && json.Unmarshal([]byte(b), &w) == nil && reflect.DeepEqual(v, w)
	}
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err == nil && err2 == nil && math.Abs(x-y) <= 1e-9*math.Max(math.Abs(x), math.Abs(y))
}

// members are the files of an archive: a line of checksum and name for each.
func (r reader) members(path, ext string) ([]string, error) {
	switch ext {
	case "tzst", "zst":
		plain := filepath.Join(r.dir, "plain.tar")
		if _, err := r.run("zstd", "-d", "-q", "-f", path, "-o", plain); err != nil {
			return nil, err
		}
		path = plain
		ext = "tar"
	}
	out, err := r.look("members", path, ext)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	return lines, err
}

// missing tells whether an error says that a program is not on this machine.
func missing(err error) bool { return errors.Is(err, exec.ErrNotFound) }
