package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
	"dropfs/convert/magic"
)

// task is one run of an edge.
type task struct {
	set     *Set
	tool    *tool
	program *program
	edge    edge
	step    magic.Step
	dir     string // absolute
	source  convert.Source
	limits  convert.Limits // resolved
	to      string         // extension of the result
	sniffed string         // what the source is by its content
	offered bool           // by the engine; else it is only tried
	read    []string       // what the program may read besides
	// progress is told how far it came, from 0 to 1; nil: nobody asks.
	progress func(part float64)
}

// in and out are the names of source and result, relative to the directory in which the program runs (X2).
func (t *task) in() string  { return "in." + t.edge.From }
func (t *task) out() string { return "out." + t.to }

func (t *task) path(name string) string { return filepath.Join(t.dir, name) }

// checkSource holds the source against the limits and its extension (X4).
func (t *task) checkSource() error {
	info, err := os.Stat(t.source.Path)
	if err != nil {
		return fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	switch {
	case !info.Mode().IsRegular() || info.Size() == 0:
		return fmt.Errorf("%w: the source is empty, or no file", convert.ErrBroken)
	case info.Size() > t.limits.MaxInput:
		return fmt.Errorf("%w: the source has %d bytes", convert.ErrTooLarge, info.Size())
	}
	t.source.Size = info.Size()
	t.sniffed, err = sniff(t.source.Path, t.edge.From)
	if err != nil {
		return err
	}
	if !kin(t.edge.From, t.sniffed) {
		return fmt.Errorf("%w: it is no %s, its content is of kind %q", convert.ErrBroken, t.edge.From, t.sniffed)
	}
	return nil
}

// place puts the source into the directory. A source that is only named is given by a link where the sandbox keeps it from
// being changed (V2), else as a copy.
func (t *task) place() error {
	if t.edge.link && t.program.box.Features().ReadOnlyHolds() {
		at, err := filepath.EvalSymlinks(t.source.Path)
		if err != nil {
			return err
		}
		if at, err = filepath.Abs(at); err != nil {
			return err
		}
		t.read = append(t.read, at)
		return os.Symlink(at, t.path(t.in()))
	}
	return copyFile(t.source.Path, t.path(t.in()))
}

// copyFile makes a new file with the content of another; where the file system can, they share their blocks.
func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// run runs a program with arguments in the directory. An exit code but 0 is an error, of kind ErrBroken.
func (t *task) run(ctx context.Context, path string, args ...string) (sandbox.Result, error) {
	return t.runSpec(ctx, sandbox.Spec{Argv: append([]string{path}, args...)})
}

// runWatched is run that hands what the program says on standard output to watch, which may be nil.
func (t *task) runWatched(ctx context.Context, watch *lines, path string, args ...string) (sandbox.Result, error) {
	s := sandbox.Spec{Argv: append([]string{path}, args...)}
	if watch != nil {
		s.Watch = watch
	}
	return t.runSpec(ctx, s)
}

// runSpec is run for a spec whose directory and limits are the task's.
func (t *task) runSpec(ctx context.Context, s sandbox.Spec) (sandbox.Result, error) {
	s.Dir = t.dir
	s.Read = append(s.Read, t.read...)
	s.Limits = sandbox.Limits{Memory: t.tool.memory, FileSize: t.limits.MaxOutput, Time: t.limits.Time}
	r, err := t.program.box.Run(ctx, s)
	if err != nil {
		return r, kindOf(err)
	}
	if r.ExitCode != 0 {
		if info, err := os.Lstat(t.path(t.out())); err == nil && info.Size() >= t.limits.MaxOutput {
			return r, fmt.Errorf("%w: the result has more than %d bytes", convert.ErrTooLarge, t.limits.MaxOutput)
		}
		return r, fmt.Errorf("%w: %s ended with %d%s", convert.ErrBroken, t.tool.name, r.ExitCode, t.reason(r.Stderr))
	}
	return r, nil
}

// reason is the last thing that a program said, without where it ran.
func (t *task) reason(stderr []byte) string {
	lines := bytes.Split(bytes.TrimSpace(stderr), []byte("\n"))
	text := strings.ReplaceAll(strings.ToValidUTF8(string(lines[len(lines)-1]), "?"), t.dir, "")
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %.200q", text)
}

// checkResult looks at what the program made (X5).
func (t *task) checkResult() error {
	path := t.path(t.out())
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s made nothing", convert.ErrBroken, t.tool.name)
	case err != nil:
		return fmt.Errorf("%w: %w", convert.ErrBroken, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s made no file", convert.ErrBroken, t.tool.name)
	case info.Size() == 0 && t.to != "txt" && t.to != "csv" && t.to != "md": // a blank page has no text
		return fmt.Errorf("%w: %s made an empty file", convert.ErrBroken, t.tool.name)
	case info.Size() > t.limits.MaxOutput:
		return fmt.Errorf("%w: the result has %d bytes", convert.ErrTooLarge, info.Size())
	case info.Size() == 0:
		return nil
	}
	what, err := sniff(path, t.to)
	if err != nil {
		return err
	}
	if !kin(t.to, what) {
		return fmt.Errorf("%w: %s made %q in place of %s", convert.ErrBroken, t.tool.name, what, t.to)
	}
	return nil
}

// with is the task with another option, for defaults that are the engine's business.
func (t *task) with(key, value string) *task {
	other := *t
	other.step.Options = maps.Clone(t.step.Options)
	if other.step.Options == nil {
		other.step.Options = magic.Options{}
	}
	other.step.Options[key] = value
	return &other
}

// remove removes a file that a program may have left.
func (t *task) remove(name string) {
	_ = os.Remove(t.path(name)) // where it stays the next program fails
}
