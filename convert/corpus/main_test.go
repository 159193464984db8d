package corpus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
	"dropfs/fs/cli/engines"
)

// long asks for every document and every engine.
var long = os.Getenv("DROPFS_TEST_LONG") == "1"

// quick are the engines of the normal run, with those that are in the program.
var quick = []string{"pdfium", "images", "archive", "text", "sheet", "vips", "rsvg", "poppler"}

// What all tests share; made by TestMain.
var (
	machine *engines.Set
	noBox   error     // why the programs of this machine offer nothing
	shelf   *packages // the documents
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sandbox.Arg {
		os.Exit(sandbox.Child(os.Args[2:]))
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	shelf = &packages{dir: dir}
	machine, err = engines.Open(engines.Config{Programs: true, Shared: filepath.Join(dir, "scratch")})
	if err != nil {
		return 1, err
	}
	noBox = machine.Probe(context.Background())
	code = m.Run()
	return code, errors.Join(machine.Close(), goleak.Find())
}

// all lists the engines that this run is about.
func all() []convert.Engine {
	out := machine.Registry.Engines()
	if !long {
		out = slices.DeleteFunc(out, func(e convert.Engine) bool { return !slices.Contains(quick, e.Name()) })
	}
	return out
}

// engine answers one of this machine; a test that needs one that is missing is skipped.
func engine(t *testing.T, name string) convert.Engine {
	t.Helper()
	for _, e := range machine.Registry.Engines() {
		if e.Name() == name && len(e.Edges()) > 0 {
			return e
		}
	}
	t.Skipf("%s is not there: %s", name, whyNot(name))
	return nil
}

// whyNot tells why an engine offers nothing.
func whyNot(name string) string {
	for _, h := range machine.Missing() {
		if h.Engine == name {
			return fmt.Sprintf("%s; apt-get install %s", h.Why, h.Package)
		}
	}
	return fmt.Sprint(noBox)
}
