package convert

import (
	"context"
	"time"

	"dropfs/convert/magic"
)

// Engine does steps. All methods may be called at the same time.
type Engine interface {
	Name() string
	// Version is part of the key under which a result is kept.
	Version() string
	// Edges lists what it can do, as things stand on this machine. It is cheap.
	Edges() []Edge
	// Run does one edge and writes the result to job.Out, a path in job.Dir that is not there yet. An error is of a Kind.
	Run(ctx context.Context, job Job) error
}

// Lister is an engine that can tell what a dirop would hold without making it.
type Lister interface {
	Engine
	// List answers the members of job.Step, a dirop, for the one source.
	List(ctx context.Context, job Job) ([]Member, error)
}

// Member is one file of a dirop: its name, and the step that makes it of the same source.
type Member struct {
	Name string // a path with slashes, local (filepath.IsLocal)
	Step magic.Step
	Part string // what of the source it is, where a step cannot say it: a path in an archive
	Size int64  // bytes; -1 not known
}

// Settler is an engine that finds out what it can do after it was made: a service that has to be asked, programs that have to
// be looked for.
type Settler interface {
	// Settled is closed when that is known for the first time, or could not be found out.
	Settled() <-chan struct{}
}

// Edge is one thing that an engine can do.
type Edge struct {
	Op      string   // as in magic.Step
	From    string   // extension of the source (magic.Ext); "*" any file
	To      string   // extension of the result; "=" that of the source; "" a dirop
	Options []string // the options that it honours (V1)
	Many    bool     // takes one or more sources; else exactly one
	Cost    int      // relative time: 1 a moment, 10 a second, 100 longer
	Loss    int      // 0 nothing is lost, 1 what the format cannot hold, 10 the layout, 100 all but the text
}

// Source is a file to be converted.
type Source struct {
	Path string // of a regular file that can be read; it must not be changed (V2)
	Name string // as its user calls it: for names inside an archive, never for a path on this machine
	Ext  string // magic.Ext of it
	Size int64  // bytes
}

// Job is one run of an edge.
type Job struct {
	Edge    Edge
	Step    magic.Step
	Part    string // Member.Part
	Sources []Source
	Dir     string // an empty directory for the run alone; the caller removes it
	Out     string // where the result is to be
	Limits  Limits
	// Secret answers the secret of a name; nil: there are none.
	Secret func(name string) (string, error)
	// Progress is told how far it came, from 0 to 1; nil: nobody asks. Not every engine knows.
	Progress func(part float64)
	// Phase is told what it is at; nil: nobody asks. It begins as PhaseConverting.
	Phase func(Phase)
}

// Limits bound a run. Zero values are the defaults.
type Limits struct {
	MaxInput  int64         // bytes of all sources; 0: 4 GiB
	MaxOutput int64         // bytes of the result; 0: 4 GiB
	MaxPixels int64         // of one picture; 0: 200 million
	Time      time.Duration // 0: 10 min
}

// Resolved answers the limits with the defaults filled in.
func (l Limits) Resolved() Limits {
	if l.MaxInput == 0 {
		l.MaxInput = 4 << 30
	}
	if l.MaxOutput == 0 {
		l.MaxOutput = 4 << 30
	}
	if l.MaxPixels == 0 {
		l.MaxPixels = 200e6
	}
	if l.Time == 0 {
		l.Time = 10 * time.Minute
	}
	return l
}

// PictureQuality is the quality of JPEG, 1 to 100, that a level of compression means, whichever engine does it.
func PictureQuality(level string) int {
	switch level {
	case "low":
		return 90
	case "high":
		return 60
	}
	return 78
}
