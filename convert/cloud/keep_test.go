package cloud

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"dropfs/convert"
	"dropfs/remote/d3"
)

// TestKnownIsKept: the next process knows what the last one was told, without asking; a file that is none is no harm.
func TestKnownIsKept(t *testing.T) {
	client, err := d3.New(d3.Config{BaseURL: "http://127.0.0.1:1", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	path := filepath.Join(t.TempDir(), "d", "known.json")
	open := func() *Engine {
		t.Helper()
		e, err := New(Config{Client: client, Known: path})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	settled := func(e *Engine) bool {
		select {
		case <-e.Settled():
			return true
		default:
			return false
		}
	}
	e := open()
	if settled(e) || len(e.Edges()) != 0 {
		t.Error("it knows what nobody has told it")
	}
	want := []convert.Edge{{Op: "jpg", From: "pdf", To: "jpg", Options: []string{"page"}, Cost: cost, Loss: 1}}
	e.learn("pdf", ability{edges: want, spelled: map[string]string{"jpg": "jpeg"}})
	e.keep()
	next := open()
	if got := next.Edges(); !settled(next) || !reflect.DeepEqual(got, want) || next.known["pdf"].spelled["jpg"] != "jpeg" {
		t.Errorf("the next process knows %v, settled %v", got, settled(next))
	}
	if len(next.missingLocked(time.Now())) == 0 || !next.fresh.IsZero() {
		t.Error("what is not known is not asked for")
	}
	for _, text := range []string{"", "{", `{"Format":2,"Exts":{"pdf":{}}}`, `[]`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if e := open(); settled(e) || len(e.Edges()) != 0 {
			t.Errorf("something is known from %q", text)
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
