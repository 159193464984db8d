// Command report reads what `go test -json` says from its standard input, prints what failed and why tests were skipped,
// and one line for each package; it writes the counts into the file that it is given.
//
//	go test -json ./... | report COUNTS
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

// counts are how tests ended. A package that fails without a failing test counts as one.
type counts struct{ passed, failed, skipped int }

// run reads events to the end of in and prints to out.
func run(in io.Reader, out io.Writer) (counts, error) {
	var n counts
	text := map[string]*strings.Builder{} // by package and test
	failures := map[string]int{}          // by package
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(out, lines.Text()) // what the tool itself says, such as an error of the compiler
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			if text[key] == nil {
				text[key] = &strings.Builder{}
			}
			text[key].WriteString(e.Output)
			continue
		case "build-fail":
			fmt.Fprint(out, text[key])
		case "pass", "fail", "skip":
			n.add(e, failures, text[key], out)
		default:
			continue
		}
		delete(text, key)
	}
	return n, lines.Err()
}

// add counts the end of a test or a package.
func (n *counts) add(e event, failures map[string]int, text *strings.Builder, out io.Writer) {
	said := ""
	if text != nil {
		said = text.String()
	}
	switch {
	case e.Test == "" && e.Action == "fail":
		if failures[e.Package] == 0 {
			n.failed++
			fmt.Fprintf(out, "%s\n", said)
		}
		fmt.Fprintf(out, "FAIL  %s  %.1f s\n", e.Package, e.Elapsed)
	case e.Test == "":
		fmt.Fprintf(out, "%-4s  %s  %.1f s\n", map[string]string{"pass": "ok", "skip": "none"}[e.Action], e.Package, e.Elapsed)
	case e.Action == "fail":
		failures[e.Package]++
		n.failed++
		fmt.Fprintf(out, "--- %s %s\n%s", e.Package, e.Test, said)
	case e.Action == "skip":
		n.skipped++
		fmt.Fprintf(out, "skip  %s: %s\n", e.Test, why(said))
	default:
		n.passed++
	}
}

// why finds the reason in what a skipped test said.
func why(said string) string {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "no reason given"
}

func main() {
	n, err := run(os.Stdin, os.Stdout)
	if err == nil && len(os.Args) > 1 {
		err = os.WriteFile(os.Args[1], fmt.Appendf(nil, "%d %d %d\n", n.passed, n.failed, n.skipped), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if n.failed > 0 {
		os.Exit(1)
	}
}
