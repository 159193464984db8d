package cache_test

import (
	"flag"
	"os"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestModel does random operations, here and elsewhere, on a replica and on a model of it, and compares the whole tree
// and every byte after each. It runs in fake time, so that quiet times, windows and back-offs cost nothing.
func TestModel(t *testing.T) {
	for name, caps := range services() {
		t.Run(name, func(t *testing.T) {
			if os.Getenv("DROPFS_TEST_LONG") != "1" {
				bound(t, "rapid.seed", "20261122")
				bound(t, "rapid.checks", "20")
			}
			bound(t, "rapid.nofailfile", "true")
			rapid.Check(t, func(rt *rapid.T) {
				base := t.TempDir()
				rapid.SyncTest(rt, func(rt *rapid.T) {
					w := newWorld(rt, base, caps, nil)
					w.opMkdrop(rt)
					w.check(rt, true)
					rt.Repeat(w.actions())
					w.check(rt, true)
					w.settled(rt)
					w.check(rt, true)
					w.opFresh(rt)
					w.check(rt, true)
				})
			})
		})
	}
}

// bound sets a flag of the test binary for one test: the normal run is short and the same each time; DROPFS_TEST_LONG=1
// tries ever new scripts, as many as -rapid.checks says.
func bound(t *testing.T, name, value string) {
	t.Helper()
	f := flag.Lookup(name)
	if f == nil {
		t.Fatalf("no flag %s", name)
	}
	before := f.Value.String()
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Value.Set(before); err != nil {
			t.Error(err)
		}
	})
}

// actions are the steps of the model by name; "" follows each.
func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			synctest.Wait()
			w.check(t, false)
		},
		"read all": func(t *rapid.T) { w.check(t, true) },
		"mkdrop":   w.opMkdrop, "mkdir": w.opMkdir, "create": w.opCreate, "open": w.opOpen, "close": w.opClose,
		"write": w.opWrite, "append": w.opAppend, "allocate": w.opAllocate, "truncate": w.opTruncate, "read": w.opRead,
		"fsync": w.opFsync, "copy": w.opCopy, "setattr": w.opChmod, "xattr": w.opXattr, "symlink": w.opSymlink,
		"link": w.opLink, "unlink": w.opUnlink, "undelete": w.opUndelete, "rmdir": w.opRmdir, "rename": w.opRename,
		"rename more": w.opRename, "sync": w.opSync, "sync one": w.opSyncOne, "offline": w.opOffline, "sleep": w.opSleep,
		"restart": w.opRestart, "kill": w.opKill, "prune": w.opPrune, "fault": w.opLose, "throw away": w.opFresh,
		"refresh": w.opRefresh, "foreign upload": w.opForeignPut, "foreign delete": w.opForeignDelete,
		"foreign replace": w.opForeignReplace, "expiry": w.opExpire,
	}
}
