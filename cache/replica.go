package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"dropfs/cache/content"
	"dropfs/cache/index"
	"dropfs/cache/refresh"
	"dropfs/cache/sidecar"
	"dropfs/cache/writeback"
	"dropfs/remote"
)

// Replica is the local replica of one account. All methods may be called at the same time.
type Replica struct {
	cfg     Config
	log     *logrus.Entry
	boot    string // of the kernel; tells what a power loss may have taken
	lock    *stateLock
	idx     *index.DB
	store   *content.Store
	queue   *writeback.Queue
	poller  *refresh.Poller
	replica string // this replica's name in sidecars

	// dirs holds the place of directories that were walked; guarded by the index's lock: used inside transactions only.
	dirs *lru.Cache[int64, dirPlace]

	mu        sync.Mutex
	open      map[Ino]*inode      // guarded by mu: those with handles or at work
	notify    []Notify            // guarded by mu
	unsynced  map[content.ID]bool // guarded by mu: written since the last syncfs
	transfers map[*transfer]bool  // guarded by mu
	closed    bool                // guarded by mu

	holds map[int64]time.Time // guarded by mu: entries written without end, and when they are sent next

	contents atomic.Int64          // the last content id given out
	origins  map[Ino]origin        // guarded by mu: files made by copying
	settled  [stripes]atomic.Int64 // how often the index caught up with an open file of the stripe (attrAt)

	recovered  []index.Op          // ops that Open found, for the queue
	endFeed    context.CancelFunc  // guarded by mu: breaks the connection of the feed
	back       chan struct{}       // of one element: the service is reachable again
	offlineWhy string              // guarded by mu
	trouble    map[int64]string    // guarded by mu: of noteTrouble
	recents    sync.Map            // of drop inode: *recent
	turns      atomic.Int64        // of nextTurn
	quotas     sync.Map            // of drop inode: *quota
	dropsTurn  *semaphore.Weighted // of one: held while the list of drops is asked for or added to
	lists      singleflight.Group
	traffic    traffic
	caps       atomic.Pointer[remote.Caps]
	unlisted   atomic.Int32 // drops, and the root, that were never listed
	hurry      atomic.Int32 // somebody waits for everything to be sent
	commits    atomic.Int64 // since the last flush
	seq        atomic.Int64 // of the change feed

	feed        atomic.Bool // the change feed is heard
	infoAt      sync.Map    // of drop inode: time.Time of the last look at its quota
	lastSegment sync.Map    // of drop inode: time.Time of the last sidecar
	clockMu     sync.Mutex
	clock       sidecar.Clock // guarded by clockMu
	moves       atomic.Int64  // renames, links and removals so far

	workCtx    context.Context // of listings that several wait for; ends with Run or Close
	cancelWork context.CancelFunc
	work       sync.WaitGroup // what Run waits for
	waits      sync.WaitGroup // what several wait for (waitShared), and Close
}

// at marks a point at which tests try a kill.
func (r *Replica) at(point string) {
	if r.cfg.fault != nil {
		r.cfg.fault(point)
	}
}

// Open opens the replica in c.Dir, making it where it is not there, and puts right what a kill left behind. It starts
// no goroutine and sends nothing. It returns a *LockedError where another process owns the directory.
func Open(ctx context.Context, c Config) (*Replica, error) {
	c = c.withDefaults()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	lock, err := lockState(c.Dir, c.Now())
	if err != nil {
		return nil, err
	}
	r := &Replica{
		cfg: c, log: c.Log, boot: bootID(), lock: lock,
		open: map[Ino]*inode{}, unsynced: map[content.ID]bool{}, transfers: map[*transfer]bool{}, holds: map[int64]time.Time{}, origins: map[Ino]origin{}, trouble: map[int64]string{}, back: make(chan struct{}, 1),
		dropsTurn: semaphore.NewWeighted(1),
	}
	r.workCtx, r.cancelWork = context.WithCancel(context.WithoutCancel(ctx))
	if err := r.openParts(ctx); err != nil {
		return nil, errors.Join(err, r.closeParts())
	}
	return r, nil
}

func (c Config) withDefaults() Config {
	if c.WriteDelay == 0 {
		c.WriteDelay = time.Second
	}
	if c.Poll == 0 {
		c.Poll = 10 * time.Second
	}
	if c.UndeleteWindow == 0 {
		c.UndeleteWindow = 10 * time.Second
	}
	c.UndeleteWindow = max(c.UndeleteWindow, 0)
	if c.DropGB == 0 {
		c.DropGB = 1
	}
	if c.DropDays == 0 {
		c.DropDays = 30
	}
	if c.Classify == nil {
		c.Classify = func(string) Class { return Ordinary }
	}
	if c.Host == "" {
		c.Host, _ = os.Hostname() // "" is a usable name for a conflict
	}
	if c.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		c.Log = logrus.NewEntry(l)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (r *Replica) openParts(ctx context.Context) (err error) {
	if r.dirs, err = lru.New[int64, dirPlace](1 << 16); err != nil {
		return err
	}
	if r.idx, err = index.Open(r.cfg.Dir); err != nil {
		return err
	}
	r.store, err = content.Open(content.Config{
		Dir: filepath.Join(r.cfg.Dir, "content"), MaxBytes: r.cfg.MaxBytes, Evict: r.evict, Log: r.log,
	})
	if err != nil {
		return err
	}
	if err := r.recover(ctx); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	r.queue = writeback.New(writeback.Config{
		Do: r.do, Classify: classifyOp, Probe: r.cfg.Service.Ping, OnOnline: r.onOnline,
		Quiet: r.cfg.WriteDelay, Log: r.log, Now: r.cfg.Now,
	})
	for _, rec := range r.recovered {
		r.enqueue(rec)
	}
	r.recovered = nil
	r.poller = refresh.NewPoller(refresh.PollConfig{Fetch: r.refreshDrop, Min: r.cfg.Poll, Log: r.log, Now: r.cfg.Now})
	for name, id := range r.cfg.Drops {
		if err := r.addDrop(name, remote.Drop{ID: id}, 0); err != nil {
			return err
		}
	}
	return errors.Join(r.countUnlisted(), r.loadRecents())
}

// Close closes what Open opened and gives the lock back. Run must have returned.
func (r *Replica) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	r.cancelWork()
	r.waits.Wait()
	err := r.saveRecency()
	return errors.Join(err, r.closeParts())
}

func (r *Replica) closeParts() error {
	var errs []error
	if r.store != nil {
		errs = append(errs, r.store.SyncFS(), r.store.Close())
	}
	if r.idx != nil {
		errs = append(errs, r.idx.Close())
	}
	return errors.Join(append(errs, r.lock.unlock())...)
}

// SetNotify adds a mount that is told of changes that it did not ask for, and returns how to take it back.
func (r *Replica) SetNotify(n Notify) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notify = append(r.notify, n)
	i := len(r.notify) - 1
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.notify[i] = Notify{}
	}
}

func (r *Replica) listeners() []Notify {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.notify)
}

func (r *Replica) tellEntry(parent Ino, name string) {
	for _, n := range r.listeners() {
		if n.Entry != nil {
			n.Entry(parent, name)
		}
	}
}

func (r *Replica) tellGone(parent Ino, name string, child Ino) {
	for _, n := range r.listeners() {
		if n.Gone != nil {
			n.Gone(parent, name, child)
		}
	}
}

func (r *Replica) tellInode(ino Ino) {
	for _, n := range r.listeners() {
		if n.Inode != nil {
			n.Inode(ino)
		}
	}
}
