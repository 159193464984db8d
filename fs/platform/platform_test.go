package platform

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exportedBy collects the exported declarations of all files that end in suffix.
func exportedBy(t *testing.T, suffix string) []string {
	t.Helper()
	files, err := filepath.Glob("*" + suffix)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files *%s: %v", suffix, err)
	}
	var out []string
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Recv == nil {
					out = append(out, "func "+d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							out = append(out, "type "+s.Name.Name)
						}
					case *ast.ValueSpec:
						for _, n := range s.Names {
							if n.IsExported() {
								out = append(out, d.Tok.String()+" "+n.Name)
							}
						}
					}
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestP1SystemsExportTheSame(t *testing.T) {
	linux, darwin := exportedBy(t, "_linux.go"), exportedBy(t, "_darwin.go")
	if !slices.Equal(linux, darwin) {
		t.Errorf("linux  %v\ndarwin %v", linux, darwin)
	}
}

func TestMountAt(t *testing.T) {
	if _, err := MountAt("/"); err != nil {
		t.Errorf("/: %v", err)
	}
	if _, err := MountAt(t.TempDir()); !errors.Is(err, ErrNotMount) {
		t.Errorf("a plain directory: %v, want %v", err, ErrNotMount)
	}
	if err := Unmount(t.TempDir(), false); !errors.Is(err, ErrNotMount) {
		t.Errorf("unmount of a plain directory: %v, want %v", err, ErrNotMount)
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	if err := SyncFS(dir); err != nil {
		t.Error(err)
	}
	if n, err := FSType(dir); err != nil || n == "" {
		t.Errorf("file system %q, %v", n, err)
	}
	ok, err := CanReflink(dir)
	if err != nil {
		t.Error(err)
	}
	n, _ := FSType(dir)
	if ok && n == "ext4" {
		t.Error("reflinks on ext4")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("the probe left %v, %v", left, err)
	}
	for name, call := range map[string]func(string) error{
		"SyncFS":     SyncFS,
		"FSType":     func(p string) error { _, err := FSType(p); return err },
		"CanReflink": func(p string) error { _, err := CanReflink(p); return err },
	} {
		if err := call(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s of what is not there: %v", name, err)
		}
	}
}

func TestProcessString(t *testing.T) {
	if s := (Process{PID: 12, Name: "vim"}).String(); !strings.Contains(s, "vim") || !strings.Contains(s, "12") {
		t.Error(s)
	}
}
