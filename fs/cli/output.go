package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"dropfs/fs/cli/control"
)

// say prints one line of what was asked for.
func (a App) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.Out, format+"\n", args...)
}

// note prints one line beside the output: to standard error.
func (a App) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.Err, format+"\n", args...)
}

// json prints v as one indented JSON value (L3).
func (a App) json(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table prints rows under a header.
func (a App) table(header []string, rows [][]string) error {
	return writeTable(a.Out, header, rows)
}

// writeTable prints rows under a header, aligned.
func writeTable(out io.Writer, header []string, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, r := range append([][]string{header}, rows...) {
		for i := range r {
			r[i] = printable(r[i])
		}
		if _, err := fmt.Fprintln(w, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// printable makes a name safe for a terminal: control characters are shown, not sent.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	if n < 0 {
		return "?"
	}
	return humanize.Bytes(uint64(n))
}

// expiryText writes when a drop ends.
func expiryText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// isTerminal tells whether a stream is a person's.
func isTerminal(s any) bool {
	f, ok := s.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress returns what shows the progress of a long call on a terminal, and what ends the showing. Elsewhere nothing is
// shown.
func (a App) progress(what string) (func(control.Progress), func()) {
	if !isTerminal(a.Err) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(a.Err), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	show := func(p control.Progress) {
		if p.Total > 0 && p.Total != bar.GetMax64() {
			bar.ChangeMax64(p.Total)
		}
		if p.Text != "" {
			bar.Describe(printable(p.Text))
		}
		_ = bar.Set64(p.Done)
	}
	return show, func() { _ = bar.Finish() }
}
