package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/engines"
	"dropfs/fs/cli/fail"
)

// convertCommand does one conversion outside a mount, or makes results of a mount ahead.
func (a App) convertCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "convert FILE@STEP… DEST", Short: "converts files, on a disk or not", Args: args(1, -1),
		Long: "Converts each FILE@STEP (report.docx@pdf, scan.pdf@png,page=3) with the engines of this machine and writes the result to DEST:\n" +
			"a file, a directory, or - for standard output. `dropfs formats FILE` tells what can be had.\n" +
			"With --warm PATH… the magic names of a mounted disk are made ahead, so that they are there at once and with their size.",
	}
	warm := c.Flags().Bool("warm", false, "make the results of a mounted disk ahead")
	c.RunE = run("convert", func(c *cobra.Command, args []string) error {
		if *warm {
			return a.warm(args)
		}
		if len(args) < 2 {
			return fail.New(fail.Usage, "convert", "FILE@STEP and DEST are needed")
		}
		return a.convert(c, args[:len(args)-1], args[len(args)-1])
	})
	return c
}

// warm opens each magic name, which makes it.
func (a App) warm(paths []string) error {
	for _, p := range paths {
		f, err := os.Open(p)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return fail.As(fail.CodeOf(err), "convert "+p, pathReason(err)).WithHint("getfattr -n user.dropfs.error PATH, and FILE@info.json, tell why")
		}
	}
	return nil
}

// pathReason is an error without the path, which is told before it.
func pathReason(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// spell is a magic name on the command line.
type spell struct {
	file string // the base, with its directory
	path magic.Path
}

// parseSpell reads FILE@STEP: the longest beginning that is a file is the base.
func parseSpell(arg string) (spell, error) {
	dir, name := filepath.Split(arg)
	for _, cut := range magic.Cuts(name) {
		file := dir + cut.Base
		st, err := os.Stat(file)
		if err != nil {
			continue
		}
		what := "convert " + arg
		if !st.Mode().IsRegular() {
			return spell{}, fail.New(fail.Failed, what, cut.Base+" is no file")
		}
		p, err := magic.Parse(cut.Rest, strings.TrimPrefix(filepath.Ext(cut.Base), "."))
		if err != nil || len(p.Steps) == 0 || p.IsDir() {
			return spell{}, fail.New(fail.Usage, what, cut.Rest+" is no conversion").WithHint("dropfs formats " + file + " tells what can be had")
		}
		return spell{file, p}, nil
	}
	return spell{}, fail.New(fail.NotFound, "convert "+arg, "there is no such file before an @").WithHint("write FILE@STEP, as in report.docx@pdf")
}

// convert makes each result and puts it where it is to be.
func (a App) convert(c *cobra.Command, names []string, dest string) error {
	var spells []spell
	for _, name := range names {
		s, err := parseSpell(name)
		if err != nil {
			return err
		}
		spells = append(spells, s)
	}
	into, err := os.Stat(dest)
	toDir := err == nil && into.IsDir()
	if len(spells) > 1 && !toDir {
		return fail.New(fail.Usage, "convert", "several files need a directory to go to")
	}
	file, err := a.loadConfig(c, "")
	if err != nil {
		return err
	}
	keys := config.NewKeys(a.Env, file.Path)
	set, err := a.openEngines()
	if err != nil {
		return fail.Of("convert", err)
	}
	l := file.LimitsFor("")
	show, stop := a.progress("converting")
	for _, s := range spells {
		out := dest
		if toDir {
			base := filepath.Base(s.file)
			out = filepath.Join(dest, strings.TrimSuffix(base, filepath.Ext(base))+"."+s.path.Output(filepath.Ext(base)[min(1, len(filepath.Ext(base))):]))
		}
		secret := func(name string) (string, error) {
			k, err := keys.Get(config.KindSecret, name)
			return k.Reveal(), err
		}
		task := convert.Task{Secret: secret, Limits: convert.Limits{MaxInput: l.MaxInput, MaxOutput: l.MaxOutput, Time: l.Time}}
		if err = a.convertOne(c.Context(), set, s, out, task, show); err != nil {
			break
		}
	}
	stop()
	return errors.Join(err, set.Close())
}

// openEngines are the engines of this machine; its programs have not been looked for yet.
func (a App) openEngines() (*engines.Set, error) {
	c := engines.Config{Programs: a.Programs}
	if dir, err := a.Env.CacheDir(); err == nil { // else nothing is kept for the next time
		c.CacheDir, c.Shared = dir, filepath.Join(dir, runsDir)
	}
	return engines.Open(c)
}

// runsDir is where conversions of commands run, below the cache directory.
const runsDir = "runs"

// engines are those of this machine, looked for now.
func (a App) engines(ctx context.Context) (*engines.Set, error) {
	set, err := a.openEngines()
	if err != nil {
		return nil, err
	}
	if err := set.Probe(ctx); err != nil && ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), set.Close())
	}
	return set, nil // without a sandbox there are those in the program
}

// plan finds who does a step. The programs of this machine, which take seconds to look for, are looked for where nothing in
// this one does it.
func plan(ctx context.Context, set *engines.Set, step magic.Step, from string) (convert.Plan, error) {
	p, err := set.Registry.Plan(step, from, false)
	if !errors.Is(err, convert.ErrUnsupported) {
		return p, err
	}
	if perr := set.Probe(ctx); perr != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return set.Registry.Plan(step, from, false)
}

// convertOne does the steps of a spell one after the other; task has what they share.
func (a App) convertOne(ctx context.Context, set *engines.Set, s spell, dest string, task convert.Task, show func(control.Progress)) (err error) {
	what := "convert " + s.file + s.path.String()
	st, err := os.Stat(s.file)
	if err != nil {
		return fail.Of(what, err)
	}
	file, err := filepath.Abs(s.file)
	if err != nil {
		return fail.Of(what, err)
	}
	dir := set.Dir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail.Of(what, err)
	}
	defer func() {
		if rerr := os.RemoveAll(dir); err == nil {
			err = rerr
		}
	}()
	source := convert.Source{Path: file, Name: filepath.Base(s.file), Ext: magic.Ext(strings.TrimPrefix(filepath.Ext(s.file), ".")), Size: st.Size()}
	for i, step := range s.path.Steps {
		plan, err := plan(ctx, set, step, source.Ext)
		if err != nil {
			return fail.As(fail.NotFound, what, err).WithHint("dropfs formats " + s.file + " tells what can be had")
		}
		task.Step, task.Sources = step, []convert.Source{source}
		if show != nil {
			task.Progress = func(part float64) {
				show(control.Progress{Text: what, Done: int64((float64(i) + part) * 1000), Total: int64(len(s.path.Steps)) * 1000})
			}
		}
		work := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(work, 0o700); err != nil {
			return fail.Of(what, err)
		}
		out, err := plan.Run(ctx, task, work)
		if err != nil {
			return fail.Of(what, err)
		}
		if st, err = os.Stat(out); err != nil {
			return fail.Of(what, err)
		}
		source = convert.Source{Path: out, Name: source.Name, Ext: plan[len(plan)-1].To, Size: st.Size()}
	}
	return fail.Of("write "+dest, a.deliver(source.Path, dest))
}

// deliver copies a result to where it is to be: a file appears whole or not at all.
func (a App) deliver(path, dest string) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if dest == "-" {
		_, err = io.Copy(a.Out, in)
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(dest), ".dropfs-*")
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Chmod(0o644)
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(out.Name(), dest)
	}
	if err != nil {
		_ = os.Remove(out.Name()) // what failed is told
	}
	return err
}
