package cloud

import (
	"sync"

	"dropfs/convert"
	"dropfs/remote/d3"
)

// How far a conversion has come when its sources are sent, and when its result is ready.
const (
	sentPart  = 0.5
	readyPart = 0.9
)

// progress tells a job how far it came, never two at a time and never backwards.
type progress struct {
	tell func(float64)

	mu    sync.Mutex
	total int64 // bytes of all sources
	bytes int64
	last  float64
}

func (p *progress) sent(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += n
	if p.total > 0 {
		p.atLocked(sentPart * float64(p.bytes) / float64(p.total))
	}
}

// moved tells whether anything was put on the wire.
func (p *progress) moved() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes > 0
}

func (p *progress) at(part float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atLocked(part)
}

func (p *progress) atLocked(part float64) {
	if part = min(part, 1); p.tell != nil && part > p.last {
		p.last = part
		p.tell(part)
	}
}

// stands tells a job how its task stands at the service.
func (p *progress) stands(job convert.Job, t d3.Task) {
	if t.State == d3.Queued {
		job.At(convert.PhaseQueued)
		return
	}
	job.At(convert.PhaseConverting)
	p.at(sentPart + (readyPart-sentPart)*t.Part())
}
