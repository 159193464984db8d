package convert

import (
	"slices"
	"strings"
	"time"
)

// Counts tells what a broker did since it was made.
type Counts struct{ Runs, Lists, Failed int64 }

// Counts answers how often something was converted, listed, and could not be converted.
func (b *Broker) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}

// Refusal is a conversion that could not be done, and why.
type Refusal struct {
	Name string    `json:"name"` // SOURCE@STEP
	Why  string    `json:"why"`
	At   time.Time `json:"at"`
}

const refusalsKept = 8

// Refusals lists the last conversions that could not be done, the oldest first.
func (b *Broker) Refusals() []Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.refused)
}

// FailuresOf tells why conversions of one version of a source cannot be had, as far as that is remembered, by their steps as
// they stand in a name, without the first @.
func (b *Broker) FailuresOf(version string) map[string]string {
	out := map[string]string{}
	for _, f := range b.failed.Values() {
		if f.version == version && b.stands(f) {
			out[strings.TrimPrefix(f.steps, "@")] = f.err.Error()
		}
	}
	return out
}

// FailureOf answers why a request cannot be done, as far as that is remembered: whichever of its steps it is.
func (b *Broker) FailureOf(r Request) error {
	stages, err := b.stages(r)
	if err != nil {
		return err
	}
	for _, s := range stages {
		if err := b.Failure(s.key); err != nil {
			return err
		}
	}
	return nil
}

// Running is a conversion under way.
type Running struct {
	Name    string    `json:"name"` // SOURCE@STEP
	Since   time.Time `json:"since"`
	Phase   Phase     `json:"phase"`
	Part    float64   `json:"part"` // 0 to 1; 0 also of an engine that does not tell
	Waiting int       `json:"waiting"`
}

// Status lists what is under way, the oldest first.
func (b *Broker) Status() []Running {
	return b.running(func(*run) bool { return true })
}

// StatusOf is Status of what is made of one version of a source.
func (b *Broker) StatusOf(version string) []Running {
	return b.running(func(x *run) bool { return x.version == version })
}

func (b *Broker) running(want func(*run) bool) []Running {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Running
	for _, x := range b.runs {
		if want(x) {
			out = append(out, Running{Name: x.name + x.steps, Since: x.since, Phase: x.phase, Part: x.part, Waiting: x.waiters})
		}
	}
	slices.SortFunc(out, func(a, b Running) int { return a.Since.Compare(b.Since) })
	return out
}
