package hub

import (
	"testing"
	"time"

	"dropfs/convert"
)

// lateEngine is a test engine that finds out late what it can do.
type lateEngine struct {
	*testEngine
	settled chan struct{}
}

func (e *lateEngine) Settled() <-chan struct{} { return e.settled }

func (e *lateEngine) Edges() []convert.Edge {
	select {
	case <-e.settled:
		return e.testEngine.Edges()
	default:
		return nil
	}
}

// TestT15ANewHubWaitsForItsEngines: a question, an order and a task that come before the engines know what they can do are
// answered as those that come later.
func TestT15ANewHubWaitsForItsEngines(t *testing.T) {
	dir := t.TempDir()
	d := newD3Site(t, func(c *Config) { c.DataDir = dir })
	source := d.source("a.txt", "one")
	left := d.order("convert", map[string]any{"convert_to": "html"}, source)
	<-d.engine.begun
	d.stop() // with a task that the next hub begins at once

	late := &lateEngine{newTestEngine(), make(chan struct{})}
	close(late.release)
	next := newD3Site(t, func(c *Config) { c.DataDir, c.Convert = dir, convert.NewRegistry(late) })
	time.AfterFunc(300*time.Millisecond, func() { close(late.settled) }) // while all three wait
	s := next.answer(next.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": "txt", "action": "convert", "parameters": map[string]any{"convert_to": "md"}}), 200)
	if s["supported"] != true {
		t.Errorf("asked early: %v", s)
	}
	next.result(left, 1)
	next.result(next.order("convert", map[string]any{"convert_to": "md"}, source), 1)
}
