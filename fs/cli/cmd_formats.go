package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dropfs/convert"
	"dropfs/convert/exec"
	"dropfs/convert/magic"
	"dropfs/fs/cli/fail"
)

// offerJSON is one conversion that this machine can do.
type offerJSON struct {
	From    string   `json:"from"`
	Op      string   `json:"op"`
	To      string   `json:"to,omitempty"` // extension; absent: a directory
	Engines []string `json:"engines"`      // in the order of their work
	Options []string `json:"options"`
}

// formatsCommand tells what can be converted into what on this machine.
func (a App) formatsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "formats [FILE]", Short: "tells what can be converted into what, and by which engine", Args: args(0, 1),
		Long: "Without FILE, prints a line for each format that can be converted; with one, what can be had of it, by which engines and\nwith which options. FILE may be an extension.",
	}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = run("formats", func(c *cobra.Command, args []string) error {
		set, err := a.engines(c.Context())
		if err != nil {
			return err
		}
		froms := sourcesOf(set.Registry)
		if len(args) == 1 {
			froms = []string{extOfArg(args[0])}
		}
		var list []offerJSON
		for _, from := range froms {
			list = append(list, offersOf(set.Registry, from)...)
		}
		missing := set.Missing()
		if err := set.Close(); err != nil {
			return err
		}
		if len(args) == 1 && len(list) == 0 {
			return fail.New(fail.NotFound, "formats "+args[0], "nothing can be made of it on this machine")
		}
		if *asJSON {
			return a.json(map[string]any{"formats": append([]offerJSON{}, list...), "missing": hintsOf(missing)})
		}
		if len(args) == 1 {
			return a.showOffers(list)
		}
		a.showMissing(missing)
		return a.showMatrix(list)
	})
	return c
}

// extOfArg is the extension of a file, or the argument itself where it is none.
func extOfArg(arg string) string {
	if ext := filepath.Ext(arg); ext != "" {
		return magic.Ext(ext[1:])
	}
	if _, err := os.Stat(arg); err == nil {
		return ""
	}
	return magic.Ext(arg)
}

// sourcesOf lists the formats that the engines take.
func sourcesOf(r *convert.Registry) []string {
	var out []string
	for _, e := range r.Engines() {
		for _, edge := range e.Edges() {
			if edge.From != "*" {
				out = append(out, edge.From)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func offersOf(r *convert.Registry, from string) []offerJSON {
	var out []offerJSON
	for _, o := range r.Offers(from) {
		j := offerJSON{From: from, Op: o.Op, To: o.To, Engines: []string{}, Options: append([]string{}, o.Options...)}
		for _, leg := range o.Plan {
			j.Engines = append(j.Engines, leg.Engine.Name()+" "+leg.Engine.Version())
		}
		out = append(out, j)
	}
	return out
}

// hintJSON is a program that would add to what can be converted.
type hintJSON struct {
	Engine  string `json:"engine"`
	Package string `json:"package,omitempty"` // of Debian
	Why     string `json:"why"`               // it offers nothing
}

func hintsOf(list []exec.Hint) []hintJSON {
	out := []hintJSON{}
	for _, h := range list {
		out = append(out, hintJSON{h.Engine, h.Package, h.Why})
	}
	return out
}

// showMissing tells what would add to the matrix, beside it.
func (a App) showMissing(list []exec.Hint) {
	for _, h := range list {
		if h.Package != "" {
			a.note("%s would add more: apt-get install %s", h.Engine, h.Package)
		} else {
			a.note("%s does not work here: %s", h.Engine, printable(h.Why))
		}
	}
}

func (a App) showOffers(list []offerJSON) error {
	var rows [][]string
	for _, o := range list {
		to := "." + o.To
		if o.To == "" {
			to = "directory"
		}
		rows = append(rows, []string{"@" + o.Op, to, strings.Join(o.Engines, ", then "), strings.Join(o.Options, " ")})
	}
	return a.table([]string{"STEP", "MAKES", "ENGINE", "OPTIONS"}, rows)
}

func (a App) showMatrix(list []offerJSON) error {
	var rows [][]string
	for _, o := range list {
		if n := len(rows); n > 0 && rows[n-1][0] == o.From {
			rows[n-1][1] += " " + o.Op
			continue
		}
		rows = append(rows, []string{o.From, o.Op})
	}
	return a.table([]string{"FROM", "INTO"}, rows)
}
