package fs

import (
	"context"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/sirupsen/logrus"

	"dropfs/fs/vfs"
)

// notifier tells the kernel what changed without its asking. Telling may wait for a lock that a request holds, so it is
// done by one goroutine of its own, and whoever adds an event never waits (F3). Events that are still waiting are not
// added twice.
type notifier struct {
	log *logrus.Entry

	mu     sync.Mutex
	queue  []vfs.Event
	queued map[vfs.Event]struct{}
	added  int           // how many events were queued
	told   int           // how many of them the kernel was told of
	news   chan struct{} // closed when told is another
	closed bool
	wake   chan struct{} // of one element
}

func newNotifier(log *logrus.Entry) *notifier {
	return &notifier{log: log, queued: make(map[vfs.Event]struct{}), news: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// add queues an event.
func (q *notifier) add(e vfs.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if _, ok := q.queued[e]; ok {
		return
	}
	q.queued[e] = struct{}{}
	q.queue = append(q.queue, e)
	q.added++
	q.signal()
}

// settle waits until the kernel was told of everything that was added before.
func (q *notifier) settle(ctx context.Context) {
	q.mu.Lock()
	want := q.added
	q.mu.Unlock()
	for {
		q.mu.Lock()
		settled, news := q.told >= want || q.closed, q.news
		q.mu.Unlock()
		if settled {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// toldOf counts events that the kernel was told of.
func (q *notifier) toldOf(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.told += n
	q.stirLocked()
}

// stirLocked wakes who waits in settle.
func (q *notifier) stirLocked() {
	close(q.news)
	q.news = make(chan struct{})
}

func (q *notifier) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// close ends run; what is queued is dropped, for there is no kernel left that keeps anything.
func (q *notifier) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.queue, q.queued = true, nil, nil
	q.stirLocked()
	q.signal()
}

// take returns all that waits; ok is false after close.
func (q *notifier) take() (events []vfs.Event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	events = q.queue
	q.queue = nil
	clear(q.queued)
	return events, !q.closed
}

// kernel is the part of go-fuse's server that notifications need.
type kernel interface {
	EntryNotify(parent uint64, name string) fuse.Status
	DeleteNotify(parent, child uint64, name string) fuse.Status
	InodeNotify(node uint64, off, length int64) fuse.Status
}

// run tells k every event until close.
func (q *notifier) run(k kernel) {
	for range q.wake {
		events, ok := q.take()
		if !ok {
			return
		}
		changed := map[vfs.Ino]struct{}{}
		for _, e := range events {
			q.tell(k, e)
			if e.Kind != vfs.EventInode {
				changed[e.Parent] = struct{}{}
			}
		}
		// A name that the kernel never asked for is not in its caches, so that telling of it leaves the listing of its
		// directory, and the directory's times, as they were: the directory is told of too, once.
		for parent := range changed {
			q.tell(k, vfs.Event{Kind: vfs.EventInode, Ino: parent})
		}
		q.toldOf(len(events))
	}
}

// tell passes one event on. ENOENT says that the kernel does not know the inode or the name: it has nothing to forget.
func (q *notifier) tell(k kernel, e vfs.Event) {
	var st fuse.Status
	switch e.Kind {
	case vfs.EventEntry:
		st = k.EntryNotify(uint64(e.Parent), e.Name)
	case vfs.EventGone:
		st = q.gone(k, e)
	case vfs.EventInode:
		st = k.InodeNotify(uint64(e.Ino), 0, 0)
	}
	if !st.Ok() && st != fuse.ENOENT {
		q.log.WithField("kind", e.Kind).WithField("ino", e.Ino).WithField("err", st).Debug("kernel not notified")
	}
}

// gone removes a name, so that watchers and shells that stand in it see it go; where the kernel refuses that (something is
// mounted or cached below), the name is only forgotten. The kernel sets the link count of the inode to 0, which is wrong
// for one that has another name: its attributes are asked for again.
func (q *notifier) gone(k kernel, e vfs.Event) fuse.Status {
	if e.Ino == 0 {
		return k.EntryNotify(uint64(e.Parent), e.Name)
	}
	st := k.DeleteNotify(uint64(e.Parent), uint64(e.Ino), e.Name)
	if !st.Ok() {
		return k.EntryNotify(uint64(e.Parent), e.Name)
	}
	const attributesOnly = -1
	return k.InodeNotify(uint64(e.Ino), attributesOnly, 0)
}
