package exec

import (
	"bytes"
	"context"
	"regexp"
	"strconv"
)

// progressFrom is the size from which on a film or sound is asked how long it is, in bytes: of a smaller one nobody sees how
// far it came.
const progressFrom = 1 << 20

// lines hands each line of what it is given to tell, without its end. One that is longer than maxLine is cut.
type lines struct {
	tell func(line []byte)
	rest []byte
}

const maxLine = 1024 // bytes

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, after, ended := bytes.Cut(p, []byte("\n"))
		l.rest = append(l.rest, line[:min(len(line), maxLine-len(l.rest))]...)
		if !ended {
			return n, nil
		}
		l.tell(bytes.TrimSuffix(l.rest, []byte("\r")))
		l.rest, p = l.rest[:0], after
	}
}

// forwards tells a job how far it came, never backwards and never beyond the end.
func (t *task) forwards() func(part float64) {
	last := 0.0
	return func(part float64) {
		if part = min(part, 1); part > last {
			last = part
			t.progress(part)
		}
	}
}

// watchFFmpeg reads what `ffmpeg -progress pipe:1` says of a source; nil where nobody asks, or it does not say how long it is.
func (t *task) watchFFmpeg(ctx context.Context) *lines {
	if t.progress == nil || t.source.Size < progressFrom {
		return nil
	}
	length, err := t.duration(ctx)
	if err != nil {
		return nil
	}
	tell := t.forwards()
	return &lines{tell: func(line []byte) {
		value, ok := bytes.CutPrefix(line, []byte("out_time_us="))
		if us, err := strconv.ParseInt(string(value), 10, 64); ok && err == nil { // N/A, before there is any
			tell(float64(us) / 1e6 / length)
		}
	}}
}

var gsPages, gsPage = regexp.MustCompile(`^Processing pages (\d+) through (\d+)\.`), regexp.MustCompile(`^Page (\d+)$`)

// watchGhostscript counts the pages that ghostscript begins; nil where nobody asks.
func (t *task) watchGhostscript() *lines {
	if t.progress == nil {
		return nil
	}
	tell, first, last := t.forwards(), 0, 0
	return &lines{tell: func(line []byte) {
		if m := gsPages.FindSubmatch(line); m != nil {
			first, _ = strconv.Atoi(string(m[1]))
			last, _ = strconv.Atoi(string(m[2])) // digits both; too many of them are no page
		}
		if m := gsPage.FindSubmatch(line); m != nil && last >= first && last > 0 {
			page, _ := strconv.Atoi(string(m[1]))
			tell(float64(page-first) / float64(last-first+1))
		}
	}}
}
