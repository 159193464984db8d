package cloud

import (
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
