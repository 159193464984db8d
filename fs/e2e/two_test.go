//go:build linux

package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestTwoMachines has two machines work on one drop.
func TestTwoMachines(t *testing.T) {
	h := newHub(t)
	h.makeDrop("home")
	args := []string{"--write-delay", "10ms", "--undelete-window", "0"}
	a, b := newFaulty(t, h, 1, args...), newFaulty(t, h, 2, args...)
	// seen waits until a script succeeds on a machine.
	seen := func(f *faulty, d time.Duration, script string) {
		t.Helper()
		ok := func() bool { return run(patience, f.mp, f.env, "", "bash", "-ec", script).code == 0 }
		for until := time.Now().Add(d); !ok(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("not within %v: %s\n%s\n%v\nthe service has %v", d, script,
					run(patience, f.mp, f.env, "", "bash", "-c", "ls -la; tail *").out, f.status().Accounts, h.assets(f.drop))
			}
		}
	}
	const soon = 5 * time.Second
	seen(b, soon, `test -z "$(ls)"`)

	a.sh(patience, a.mp, `mkdir -p dir/sub; echo one > dir/file; printf '#!/bin/sh\necho ran\n' > dir/run`)
	seen(b, soon, `test "$(cat dir/file)" = one; test -d dir`)
	b.sh(patience, b.mp, `echo two >> dir/file`)
	seen(a, soon, `test "$(cat dir/file)" = $'one\ntwo'`)
	a.sh(patience, a.mp, `mv dir/file dir/moved; rm dir/run`)
	seen(b, soon, `test ! -e dir/file; test "$(cat dir/moved)" = $'one\ntwo'; test ! -e dir/run`)

	// What the service cannot hold comes with the sidecar, once it is synced.
	a.sh(patience, a.mp, `echo x > attr; chmod 750 attr; touch -d '2001-02-03 04:05:06.5' attr; ln -s attr link; ln attr hard; mkdir empty; chmod 700 empty`)
	a.must(time.Minute, "sync", a.mp)
	b.must(time.Minute, "sync", b.mp)
	seen(b, 2*soon, `test "$(stat -c %a attr)" = 750; test "$(stat -c %y attr)" = '2001-02-03 04:05:06.500000000 +0000'
		test "$(readlink link)" = attr; test "$(stat -c %h attr)" = 2; test "$(stat -c %a empty)" = 700`)
	for end := time.Now().Add(2 * soon); ; time.Sleep(50 * time.Millisecond) { // what each has told the other arrives
		got := b.tool(patience, b.mp, "rsync", "-aHin", a.mp+"/", b.mp+"/")
		if got == "" || got == ".d..t...... ./\n" { // the top directory's time is each disk's own
			break
		}
		if time.Now().After(end) {
			t.Fatalf("rsync from one to the other would transfer: %s", got)
		}
	}

	// Both change one file while neither sees the other.
	a.proxy.Down()
	b.proxy.Down()
	a.sh(patience, a.mp, `echo by a > both.tar.gz; echo same > equal; echo edit >> dir/moved`)
	b.sh(patience, b.mp, `echo by b > both.tar.gz; echo same > equal; rm dir/moved`)
	for _, f := range []*faulty{a, b} {
		if err := f.proxy.Up(); err != nil {
			t.Fatal(err)
		}
		f.must(time.Minute, "sync", "--timeout", "50s", f.mp)
	}
	both := `test "$(ls | grep -c ^both)" = 2; test "$(cat both*.tar.gz | sort)" = $'by a\nby b'; ls | grep -q '^both (conflict .*).tar.gz$'
		test "$(tail -1 dir/moved)" = edit`
	seen(a, 30*time.Second, both)
	seen(b, 30*time.Second, both)
	equal := `test "$(echo equal*)" = equal; test "$(cat equal)" = same` // equal bytes are no conflict
	seen(a, soon, equal)
	seen(b, soon, equal)
	for _, f := range []*faulty{a, b} {
		f.must(time.Minute, "sync", "--timeout", "50s", f.mp)
	}
	h.checkCopies(a.drop, a.snapshot(a.mp).files())
	compareTrees(t, b.snapshot(b.mp), a.snapshot(a.mp), func(e *entry) { e.Mtime = 0 })
	conflicts := append(a.status().Accounts[0].Conflicts, b.status().Accounts[0].Conflicts...)
	if len(conflicts) == 0 || !strings.Contains(strings.Join(conflicts, " "), "both (conflict ") {
		t.Errorf("status tells of no conflict: %q", conflicts)
	}
	a.unmount(a.mp)
	b.unmount(b.mp)
}
