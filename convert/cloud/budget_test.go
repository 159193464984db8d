package cloud

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestBudgetWindow(t *testing.T) {
	b := &budget{per: 2}
	at := func(m int) time.Time { return time.Date(2026, 1, 1, 0, m, 0, 0, time.UTC) }
	for _, tt := range []struct {
		minute int
		ok     bool
		wait   time.Duration
		left   int // afterwards
	}{
		{0, true, 0, 1},
		{10, true, 0, 0},
		{11, false, 49 * time.Minute, 0},
		{59, false, time.Minute, 0},
		{60, true, 0, 0},
		{61, false, 9 * time.Minute, 0},
		{70, true, 0, 0},
		{200, true, 0, 1},
	} {
		wait, ok := b.take(at(tt.minute))
		if ok != tt.ok || wait != tt.wait || b.left(at(tt.minute)) != tt.left {
			t.Errorf("minute %d: %v, wait %v, %d left", tt.minute, ok, wait, b.left(at(tt.minute)))
		}
	}
	b.giveBack(at(200))
	b.giveBack(at(5))
	if n := b.left(at(200)); n != 2 {
		t.Errorf("%d left after one was given back", n)
	}
	all := &budget{}
	if _, ok := all.take(at(0)); !ok || all.left(at(0)) != -1 {
		t.Error("no budget has an end")
	}
}

// TestBudgetOfAFile: the times that it holds count, whatever the clock did since, and what cannot be understood is spent.
func TestBudgetOfAFile(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, text string
		left       int
		wait       time.Duration // until the next; 0: none
	}{
		{"nothing", `{"Format":1,"Begun":null}`, 2, 0},
		{"old", `{"Format":1,"Begun":["2026-01-01T10:00:00Z","2026-01-01T11:00:00Z"]}`, 2, 0},
		{"one", `{"Format":1,"Begun":["2026-01-01T11:30:00Z"]}`, 1, 0},
		{"all", `{"Format":1,"Begun":["2026-01-01T11:10:00Z","2026-01-01T11:30:00Z"]}`, 0, 10 * time.Minute},
		{"more than there are now", `{"Format":1,"Begun":["2026-01-01T11:10:00Z","2026-01-01T11:20:00Z","2026-01-01T11:30:00Z"]}`, 0, 20 * time.Minute},
		{"to come", `{"Format":1,"Begun":["2027-01-01T00:00:00Z","2026-01-01T11:30:00Z"]}`, 0, 30 * time.Minute},
		{"empty", ``, 0, time.Hour},
		{"half", `{"Format":1,"Beg`, 0, time.Hour},
		{"of another format", `{"Format":2}`, 0, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "budget.json")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := openBudget(2, path, now)
			if broken := tt.wait == time.Hour; broken != (err != nil) {
				t.Errorf("error %v", err)
			}
			if n := b.left(now); n != tt.left {
				t.Errorf("%d left, want %d", n, tt.left)
			}
			if wait, ok := b.take(now); ok != (tt.left > 0) || wait != tt.wait {
				t.Errorf("taken %v, wait %v", ok, wait)
			}
			if err := b.keep(); err != nil {
				t.Fatal(err)
			}
			again, err := openBudget(2, path, now)
			if err != nil || again.left(now) != b.left(now) {
				t.Errorf("kept %d, %v, want %d", again.left(now), err, b.left(now))
			}
		})
	}
}
