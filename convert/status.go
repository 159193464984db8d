package convert

import (
	"slices"
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

// Running is a conversion under way.
type Running struct {
	Name    string    `json:"name"` // SOURCE@STEP
	Since   time.Time `json:"since"`
	Part    float64   `json:"part"` // 0 to 1
	Waiting int       `json:"waiting"`
}

// Status lists what is under way, the oldest first.
func (b *Broker) Status() []Running {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Running
	for _, x := range b.runs {
		out = append(out, Running{Name: x.name, Since: x.since, Part: x.part, Waiting: x.waiters})
	}
	slices.SortFunc(out, func(a, b Running) int { return a.Since.Compare(b.Since) })
	return out
}
