package fs

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/sirupsen/logrus"

	"dropfs/fs/vfs"
)

// fakeKernel notes what it is told.
type fakeKernel struct {
	mu    sync.Mutex
	calls []string
	del   fuse.Status   // answer of DeleteNotify
	block chan struct{} // nil: answers at once
}

func (k *fakeKernel) note(format string, args ...any) {
	if k.block != nil {
		<-k.block
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, fmt.Sprintf(format, args...))
}

func (k *fakeKernel) EntryNotify(parent uint64, name string) fuse.Status {
	k.note("entry %d %s", parent, name)
	return fuse.OK
}

func (k *fakeKernel) DeleteNotify(parent, child uint64, name string) fuse.Status {
	k.note("delete %d %d %s", parent, child, name)
	return k.del
}

func (k *fakeKernel) InodeNotify(node uint64, off, length int64) fuse.Status {
	k.note("inode %d %d %d", node, off, length)
	return fuse.OK
}

func discard() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}

func TestF2Notify(t *testing.T) {
	for _, c := range []struct {
		name   string
		del    fuse.Status
		events []vfs.Event
		want   []string
	}{
		{"entry", fuse.OK, []vfs.Event{{Kind: vfs.EventEntry, Parent: 7, Name: "a"}}, []string{"entry 7 a", "inode 7 0 0"}},
		{
			"a directory is told once of all its new names", fuse.OK,
			[]vfs.Event{{Kind: vfs.EventEntry, Parent: 7, Name: "a"}, {Kind: vfs.EventEntry, Parent: 7, Name: "b"}},
			[]string{"entry 7 a", "entry 7 b", "inode 7 0 0"},
		},
		{"inode drops pages", fuse.OK, []vfs.Event{{Kind: vfs.EventInode, Ino: 9}}, []string{"inode 9 0 0"}},
		{
			"gone keeps the pages of other links", fuse.OK,
			[]vfs.Event{{Kind: vfs.EventGone, Parent: 7, Name: "a", Ino: 9}},
			[]string{"delete 7 9 a", "inode 9 -1 0", "inode 7 0 0"},
		},
		{"gone, unknown inode", fuse.OK, []vfs.Event{{Kind: vfs.EventGone, Parent: 7, Name: "a"}}, []string{"entry 7 a", "inode 7 0 0"}},
		{
			"gone, refused", fuse.EBUSY,
			[]vfs.Event{{Kind: vfs.EventGone, Parent: 7, Name: "a", Ino: 9}},
			[]string{"delete 7 9 a", "entry 7 a", "inode 7 0 0"},
		},
		{
			"one that waits is not added twice", fuse.OK,
			[]vfs.Event{{Kind: vfs.EventInode, Ino: 9}, {Kind: vfs.EventInode, Ino: 9}, {Kind: vfs.EventInode, Ino: 8}},
			[]string{"inode 9 0 0", "inode 8 0 0"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKernel{del: c.del}
				q := newNotifier(discard())
				for _, e := range c.events {
					q.add(e)
				}
				go q.run(k)
				synctest.Wait()
				q.close()
				synctest.Wait()
				if !slices.Equal(k.calls, c.want) {
					t.Errorf("kernel told %q, want %q", k.calls, c.want)
				}
			})
		})
	}
}

func TestF3NotifyNeverBlocksWhoAdds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{block: make(chan struct{})}
		q := newNotifier(discard())
		go q.run(k)
		for i := range 10000 {
			q.add(vfs.Event{Kind: vfs.EventInode, Ino: vfs.Ino(i + 2)})
			if i == 0 {
				synctest.Wait() // the first is stuck in the kernel
			}
		}
		// What is being told and changes again is told again.
		q.add(vfs.Event{Kind: vfs.EventInode, Ino: 2})
		close(k.block)
		synctest.Wait()
		q.close()
		synctest.Wait()
		if len(k.calls) != 10001 {
			t.Errorf("%d notifications, want 10001", len(k.calls))
		}
		q.add(vfs.Event{Kind: vfs.EventInode, Ino: 3}) // after close: dropped
		if len(q.queue) != 0 {
			t.Error("queued after close")
		}
	})
}

// TestF2Settle: who waits for the kernel waits for what was added before, and no longer than it wants to.
func TestF2Settle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{block: make(chan struct{})}
		q := newNotifier(discard())
		go q.run(k)
		q.settle(t.Context()) // nothing was added
		q.add(vfs.Event{Kind: vfs.EventInode, Ino: 2})
		hurry, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		q.settle(hurry)
		if len(k.calls) != 0 || hurry.Err() == nil {
			t.Fatalf("the kernel was told %q, and the wait ended by itself", k.calls)
		}
		q.add(vfs.Event{Kind: vfs.EventInode, Ino: 3})
		told := make(chan int, 1)
		go func() {
			q.settle(t.Context())
			k.mu.Lock()
			defer k.mu.Unlock()
			told <- len(k.calls)
		}()
		synctest.Wait()
		close(k.block)
		if n := <-told; n != 2 {
			t.Errorf("%d notifications when the wait ended", n)
		}
		k.block = make(chan struct{})
		q.add(vfs.Event{Kind: vfs.EventInode, Ino: 4})
		go func() { time.Sleep(time.Second); q.close(); close(k.block) }()
		q.settle(t.Context()) // nobody is left to be told
	})
}
