package hub

import (
	"testing"
	"time"

	client "dropfs/remote/d3"
)

// TestT7Progress: the status of a running task says how far it came, to any client and to ours; that of another task, and
// of one that has ended, does not.
func TestT7Progress(t *testing.T) {
	d := newD3Site(t, func(c *Config) { c.tellEvery = 1 })
	main := d.order("convert", map[string]any{"convert_to": "html"}, d.source("a.txt", "one"))
	<-d.engine.begun
	status, files := d.state(main)
	if status != "running" || files[0]["status"] != "running" || files[0]["progress"] != float64(42) {
		t.Errorf("%s %v", status, files)
	}
	c, err := client.New(client.Config{BaseURL: d.srv.URL, Key: testKey, PollFirst: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if task, err := c.Status(t.Context(), client.TaskID(main), ""); err != nil || task.Part() != 0.42 {
		t.Errorf("%+v %v", task, err)
	}
	other := d.order("convert", map[string]any{"convert_to": "md"}, d.source("b.txt", "two"))
	d.wait(1)
	if _, files := d.state(other); files[0]["progress"] != nil {
		t.Errorf("%v", files)
	}
	close(d.engine.release)
	d.wait(1)
	if status, files := d.state(main); status != "completed" || files[0]["progress"] != nil {
		t.Errorf("%s %v", status, files)
	}
	if left, err := d.hub.store.D3Progress(t.Context(), main); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestT7ProgressBeginsAnew: what a run that died had told is not told of the next.
func TestT7ProgressBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	d := newD3Site(t, func(c *Config) { c.DataDir, c.tellEvery = dir, 1 })
	main := d.order("convert", map[string]any{"convert_to": "html"}, d.source("a.txt", "one"))
	<-d.engine.begun
	d.stop()
	next := newD3Site(t, func(c *Config) { c.DataDir, c.tellEvery = dir, time.Hour })
	<-next.engine.begun
	if status, files := next.state(main); status != "running" || files[0]["progress"] != nil {
		t.Errorf("%s %v", status, files)
	}
	close(next.engine.release)
	next.result(main, 1)
}
