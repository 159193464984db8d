package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "dropfs"

// arrows is which packages of ours a package may import, the tests' own imports aside (DESIGN.md "The house"). "P/*"
// stands for every package below P, "P/..." for P and every one below.
var arrows = map[string][]string{
	"":       {"fs/cli"},
	"remote": {},

	"convert/native/internal/bounded": {"convert"},

	"remote/httpx":         {"remote"},
	"remote/httpx/*":       {"remote", "remote/httpx"},
	"remote/transfer":      {"remote", "remote/httpx"},
	"remote/dropzone":      {"remote", "remote/httpx", "remote/transfer"},
	"remote/remotetest":    {"remote"},
	"remote/remotetest/*":  {"remote"},
	"remote/d3":            {"remote", "remote/httpx", "remote/transfer"},
	"remote/d3/*":          {},
	"remote/hub":           {"remote", "remote/hub/*", "convert", "convert/magic"},
	"remote/hub/*":         {"remote", "remote/hub/*", "convert", "convert/magic"},
	"convert":              {"convert/magic"},
	"convert/magic":        {},
	"convert/native/*":     {"convert", "convert/magic", "convert/native/*/*"},
	"convert/native/*/*":   {},
	"convert/exec":         {"convert", "convert/magic", "convert/exec/sandbox"},
	"convert/exec/sandbox": {},
	"convert/cloud":        {"convert", "convert/magic", "remote", "remote/d3"},
	"convert/corpus":       {},
	"cache":                {"cache/*", "cache/content/sys", "remote"},
	"cache/index":          {"remote"},
	"cache/content":        {"cache/content/sys"},
	"cache/content/sys":    {},
	"cache/writeback":      {"remote"},
	"cache/refresh":        {"remote"},
	"cache/sidecar":        {"remote"},
	"fs":                   {"fs/vfs", "fs/platform", "cache", "convert", "remote"}, // the kinds of error, for errno.go
	"fs/vfs":               {"cache", "convert", "convert/magic", "remote"},
	"fs/platform":          {},
	"fs/e2e":               {},
	"fs/cli":               {"..."},
	"fs/cli/fail":          {"cache", "convert", "remote"},
	"fs/cli/engines":       {"convert/...", "fs/cli/config", "remote", "remote/d3", "remote/httpx"},
	"fs/cli/config":        {"remote"},
	"fs/cli/control":       {"cache", "convert", "fs/cli/fail"},
	"fs/cli/daemon":        {"..."},
	"scripts/internal/*":   {},
	"scripts/internal/*/*": {},
}

// testArrows is what the tests of a package may import beyond its arrows.
var testArrows = map[string][]string{
	"remote/httpx":        {"remote/httpx/*"},
	"remote/httpx/*":      {"remote/httpx/*"},
	"remote/transfer":     {"remote/httpx/*", "remote/remotetest/..."},
	"remote/dropzone":     {"remote/hub", "remote/remotetest/...", "remote/httpx/*"},
	"remote/remotetest":   {"remote/remotetest/*"},
	"remote/d3":           {"remote/d3/*", "remote/httpx/*"},
	"remote/hub":          {"remote/remotetest/...", "remote/dropzone", "remote/d3"},
	"convert/cloud":       {"remote/d3/*", "remote/httpx/*"},
	"convert/corpus":      {"convert", "convert/magic", "convert/exec/sandbox", "fs/cli/engines"},
	"cache":               {"remote/remotetest/...", "remote/hub", "remote/dropzone", "remote/httpx/..."},
	"cache/content":       {},
	"fs":                  {"remote/remotetest/...", "remote"},
	"fs/vfs":              {"remote/remotetest/..."},
	"fs/e2e":              {"..."},
	"scripts/internal/*":  {"..."},
	"remote/remotetest/*": {"remote/remotetest/..."},
}

// goPackage is what go list tells.
type goPackage struct {
	ImportPath   string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string

	IgnoredGoFiles []string
}

// ours lists the packages of the module.
func ours(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,TestImports,XTestImports,GoFiles,IgnoredGoFiles", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	for d := json.NewDecoder(bufio.NewReader(out)); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return list
}

// short is an import path below the module; ok is false for others'.
func short(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// matches tells whether a pattern stands for a package.
func matches(pattern, pkg string) bool {
	if dir, ok := strings.CutSuffix(pattern, "..."); ok {
		dir = strings.TrimSuffix(dir, "/")
		return dir == "" || pkg == dir || strings.HasPrefix(pkg, dir+"/")
	}
	ok, err := filepath.Match(pattern, pkg)
	return err == nil && ok
}

// row finds the line of a table for a package: its own, else one with a pattern.
func row(table map[string][]string, pkg string) ([]string, bool) {
	if r, ok := table[pkg]; ok {
		return r, true
	}
	for pattern, r := range table {
		if pattern != "" && matches(pattern, pkg) {
			return r, true
		}
	}
	return nil, false
}

// wrong lists the imports that the patterns do not allow.
func wrong(pkg string, imports, allowed []string) []string {
	var out []string
	for _, path := range imports {
		name, ok := short(path)
		if !ok || name == pkg || slices.ContainsFunc(allowed, func(p string) bool { return matches(p, name) }) {
			continue
		}
		out = append(out, name)
	}
	return out
}

func TestArrows(t *testing.T) {
	seen := 0
	for _, p := range ours(t) {
		pkg, _ := short(p.ImportPath)
		allowed, ok := row(arrows, pkg)
		if !ok {
			t.Errorf("package %q has no row in the table of arrows", pkg)
			continue
		}
		seen++
		for _, w := range wrong(pkg, p.Imports, allowed) {
			t.Errorf("%s must not import %s", pkg, w)
		}
		more, _ := row(testArrows, pkg)
		for _, w := range wrong(pkg, append(p.TestImports, p.XTestImports...), append(slices.Clone(allowed), more...)) {
			t.Errorf("the tests of %s must not import %s", pkg, w)
		}
		if pkg != "" && pkg != "fs/e2e" && pkg != "scripts/internal" && slices.Contains(p.Imports, module+"/fs/cli") {
			t.Errorf("%s imports the command line", pkg)
		}
	}
	if seen < 15 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

func TestArrowsCanFail(t *testing.T) {
	for _, tc := range []struct {
		pkg, imports string
		want         bool
	}{
		{"remote", "cache", true},
		{"cache", "fs", true},
		{"cache", "cache/index", false},
		{"cache", "remote/hub", true},
		{"fs", "fs/cli", true},
		{"remote/hub/store", "remote/dropzone", true},
		{"remote/hub", "remote/hub/store", false},
		{"fs/cli/daemon", "remote/hub", false},
	} {
		allowed, ok := row(arrows, tc.pkg)
		if !ok {
			t.Fatalf("no row for %s", tc.pkg)
		}
		if got := len(wrong(tc.pkg, []string{module + "/" + tc.imports}, allowed)) > 0; got != tc.want {
			t.Errorf("%s importing %s: refused %v, want %v", tc.pkg, tc.imports, got, tc.want)
		}
	}
	if _, ok := row(arrows, "fs/other"); ok {
		t.Error("a package that is not in the table has a row")
	}
}

// TestPlatformFiles holds that files of one system are in the packages that are about systems.
func TestPlatformFiles(t *testing.T) {
	allowed := []string{"fs/platform", "cache/content/sys", "convert/exec/sandbox"}
	checked := 0
	for _, p := range ours(t) {
		pkg, _ := short(p.ImportPath)
		for _, f := range append(slices.Clone(p.GoFiles), p.IgnoredGoFiles...) {
			name := strings.TrimSuffix(f, "_test.go")
			name = strings.TrimSuffix(name, ".go")
			for _, system := range []string{"linux", "darwin", "unix", "windows"} {
				if !strings.HasSuffix(name, "_"+system) {
					continue
				}
				checked++
				if !slices.Contains(allowed, pkg) {
					t.Errorf("%s/%s: files of one system belong in %v", pkg, f, allowed)
				}
			}
		}
		if slices.Contains(p.Imports, "C") {
			t.Errorf("%s needs cgo", pkg)
		}
		if pkg == "fs/vfs" && slices.ContainsFunc(p.Imports, func(i string) bool { return strings.HasPrefix(i, "github.com/hanwen/go-fuse") }) {
			t.Error("fs/vfs must not know go-fuse")
		}
	}
	if checked == 0 {
		t.Error("no file of a system was seen")
	}
}
