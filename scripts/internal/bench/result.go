package main

import (
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"time"
)

// result is what a run has found.
type result struct {
	Date   string    `json:"date"` // of the machine, at the start
	System string    `json:"system"`
	CPUs   int       `json:"cpus"`
	Rounds int       `json:"rounds"`
	Link   *linkInfo `json:"link,omitempty"`
	Sizes  sizeInfo  `json:"sizes"`
	Sides  []string  `json:"sides"`
	Rows   []*line   `json:"rows"`
	Failed []failure `json:"failed,omitempty"`

	log func(format string, args ...any)
}

type linkInfo struct {
	RoundTripMillis int64 `json:"round_trip_ms"`
	BytesPerSecond  int64 `json:"bytes_per_second"`
}

type sizeInfo struct {
	BigBytes   int64 `json:"big_bytes"`
	Files      int   `json:"files"`
	DrainFiles int   `json:"drain_files"`
	FileBytes  int64 `json:"file_bytes"`
}

// line is one row with its figures.
type line struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
	Lower bool   `json:"lower_is_better,omitempty"`
	// Values are the figures of each round, by side; null where there is none.
	Values  map[string][]*float64 `json:"values"`
	Medians map[string]float64    `json:"medians"`
	// Ratios are the medians of the rounds' ratios of a dropfs side to each other side.
	Ratios map[string]map[string]float64 `json:"ratios"`
}

// failure is a step that failed on a side.
type failure struct {
	Side string `json:"side"`
	Step string `json:"step"`
	Err  string `json:"error"`
}

func newResult(c config, rows []row, sides []string, http bool) *result {
	r := &result{
		Date: time.Now().UTC().Format(time.DateOnly), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Rounds: c.rounds,
		Sizes: sizeInfo{c.sizes.bigBytes, c.sizes.files, c.sizes.drain, c.sizes.fileSize}, Sides: slices.Clone(sides), log: c.log,
	}
	if http {
		r.Sides = append(r.Sides, sideHTTP)
	}
	if c.link {
		r.Link = &linkInfo{linkDelay.Milliseconds(), linkRate}
	}
	for _, w := range rows {
		l := &line{ID: w.id, Title: w.title, Unit: w.unit, Lower: w.lower, Values: map[string][]*float64{}}
		for _, s := range r.Sides {
			l.Values[s] = make([]*float64, c.rounds)
		}
		r.Rows = append(r.Rows, l)
	}
	return r
}

// add notes the figures of a side in a round; of two for one row the later stays.
func (r *result) add(side string, round int, f figures) {
	for _, l := range r.Rows {
		if v, ok := f[l.ID]; ok && l.Values[side] != nil {
			l.Values[side][round] = &v
		}
	}
}

// fail notes that a step failed.
func (r *result) fail(side, step string, err error) {
	r.log("  %s failed on %s: %v", step, side, err)
	r.Failed = append(r.Failed, failure{side, step, err.Error()})
}

// finish computes the medians.
func (r *result) finish() {
	for _, l := range r.Rows {
		l.Medians, l.Ratios = map[string]float64{}, map[string]map[string]float64{}
		for _, s := range r.Sides {
			if m, ok := median(l.Values[s]); ok {
				l.Medians[s] = m
			}
		}
		for _, ours := range []string{sideDropfs, sideServed} {
			of := map[string]float64{}
			for _, s := range r.Sides {
				if m, ok := median(quotients(l.Values[ours], l.Values[s])); ok && s != ours {
					of[s] = m
				}
			}
			if len(of) > 0 {
				l.Ratios[ours] = of
			}
		}
	}
}

// quotients are a/b of the rounds in which both were measured.
func quotients(a, b []*float64) []*float64 {
	var q []*float64
	for i := range min(len(a), len(b)) {
		if a[i] != nil && b[i] != nil && *b[i] != 0 {
			v := *a[i] / *b[i]
			q = append(q, &v)
		}
	}
	return q
}

// median of the figures that are there; ok is false where there are none.
func median(values []*float64) (m float64, ok bool) {
	var v []float64
	for _, p := range values {
		if p != nil {
			v = append(v, *p)
		}
	}
	if len(v) == 0 {
		return 0, false
	}
	slices.Sort(v)
	mid := len(v) / 2
	if len(v)%2 == 1 {
		return v[mid], true
	}
	return (v[mid-1] + v[mid]) / 2, true
}

// save writes everything as JSON.
func (r *result) save(path string) error {
	r.finish()
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
