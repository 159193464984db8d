package vfs

import (
	"slices"
	"sync"
	"sync/atomic"

	"dropfs/cache"
)

// EventKind tells what an Event is about.
type EventKind uint8

// The kinds of event.
const (
	EventEntry EventKind = iota // Name in Parent is new or is something else now
	EventGone                   // Name in Parent is no more; Ino is what it was, 0 where not known
	EventInode                  // attributes and content of Ino changed
)

// Event is a change that a front end did not ask for itself, so that what it caches is out of date.
type Event struct {
	Kind   EventKind
	Parent Ino
	Name   string
	Ino    Ino
}

// Feed ties the file systems of one process together: what a replica tells, and what one of them changes, reaches all
// others that show the account (V6). The zero value is ready. A replica is in one feed only, and tells it once.
type Feed struct {
	shared atomic.Bool // more than one member

	mu      sync.Mutex
	members []*FS
	watched map[*cache.Replica]func() // ends the watch
}

// SetNotify gives f who is told of changes; nil: nobody. sink is called without locks and must return soon.
func (f *FS) SetNotify(sink func(Event)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sink = sink
}

func (d *Feed) join(f *FS) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members = append(d.members, f)
	d.shared.Store(len(d.members) > 1)
	if d.watched == nil {
		d.watched = make(map[*cache.Replica]func())
	}
	for _, a := range f.accounts {
		if d.watched[a.r] == nil {
			d.watched[a.r] = d.watch(a.r)
		}
	}
}

// watch has a replica tell the members of its changes until the function that it returns is called.
func (d *Feed) watch(r *cache.Replica) func() {
	return r.SetNotify(cache.Notify{
		Entry: func(parent cache.Ino, name string) { d.send(nil, r, EventEntry, parent, name, 0) },
		Gone: func(parent cache.Ino, name string, child cache.Ino) {
			d.send(nil, r, EventGone, parent, name, child)
		},
		Inode: func(ino cache.Ino) { d.send(nil, r, EventInode, 0, "", ino) },
	})
}

func (d *Feed) leave(f *FS) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members = slices.DeleteFunc(d.members, func(m *FS) bool { return m == f })
	d.shared.Store(len(d.members) > 1)
	for r, end := range d.watched {
		if !slices.ContainsFunc(d.members, func(m *FS) bool { return m.shows(r) }) {
			end()
			delete(d.watched, r)
		}
	}
}

func (f *FS) shows(r *cache.Replica) bool {
	return slices.ContainsFunc(f.accounts, func(a *account) bool { return a.r == r })
}

// send tells every member but except of a change in replica r.
func (d *Feed) send(except *FS, r *cache.Replica, kind EventKind, parent cache.Ino, name string, ino cache.Ino) {
	d.mu.Lock()
	members := slices.Clone(d.members)
	d.mu.Unlock()
	for _, m := range members {
		if m != except {
			m.tell(r, kind, parent, name, ino)
		}
	}
}

// tell hands an event of replica r to the front end, in numbers of this tree.
func (f *FS) tell(r *cache.Replica, kind EventKind, parent cache.Ino, name string, ino cache.Ino) {
	f.mu.Lock()
	sink := f.sink
	f.mu.Unlock()
	if sink == nil {
		return
	}
	for _, a := range f.accounts {
		if a.r != r {
			continue
		}
		e := Event{Kind: kind, Name: name}
		if parent != 0 {
			e.Parent = f.global(a, parent)
		}
		if ino != 0 {
			e.Ino = f.global(a, ino)
		}
		sink(e)
	}
}

// entryChanged tells the other file systems that name in p is new, another or gone.
func (f *FS) entryChanged(p place, name string) {
	if !f.feed.shared.Load() {
		return
	}
	f.feed.send(f, p.acc.r, EventEntry, p.ino, name, 0)
	f.feed.send(f, p.acc.r, EventInode, 0, "", p.ino)
}

// inodeChanged tells the other file systems that attributes or content of p changed.
func (f *FS) inodeChanged(p place) {
	if !f.feed.shared.Load() {
		return
	}
	f.feed.send(f, p.acc.r, EventInode, 0, "", p.ino)
}
