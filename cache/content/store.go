package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"dropfs/cache/content/sys"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/semaphore"
)

// ID names one content: the bytes of one version of one inode. The index gives it out and never twice.
type ID int64

// What callers tell apart, by errors.Is.
var (
	ErrFull        = errors.New("content: no room")           // capacity or disk; ENOSPC for writers, ReadThrough for readers
	ErrMissing     = errors.New("content: range not fetched") // the bytes are not here
	ErrClean       = errors.New("content: not marked dirty")  // a change of content that the index takes for clean
	ErrLost        = errors.New("content: file of dirty content is gone")
	ErrExists      = errors.New("content: id is in use")
	ErrClosed      = errors.New("content: store closed")
	ErrNoData      = sys.ErrNoData      // SeekData behind the last data; ENXIO
	ErrUnsupported = sys.ErrUnsupported // EOPNOTSUPP
)

const (
	defaultShare   = 0.20
	defaultMax     = 50 << 30
	defaultKeep    = 0.05
	defaultBuffers = 64 << 20
	defaultWait    = 5 * time.Second
)

// Config says where and how much. Only Dir is required.
type Config struct {
	Dir         string        // made with mode 0700
	MaxBytes    int64         // capacity in allocated bytes; 0: a fifth of the disk, 50 GiB at most
	KeepFree    float64       // share of the disk that is always left free; 0: 0.05; negative: none
	BufferBytes int64         // bytes of all fetch buffers; 0: 64 MiB
	Wait        time.Duration // how long a writer waits for room before ErrFull; 0: 5 s; negative: not at all

	// Evict is called, one call at a time and with no lock held, before the bytes of ids go (C3): it makes them cold in
	// the index in one transaction. An error, as for an id that the index knows to be dirty or pinned, keeps them all.
	// Open and Remove of these ids, and all who need room, wait for it: it must not wait for a lock that one of those who
	// call them holds, nor call them itself. nil: allowed.
	Evict func(ids []ID) error

	Log *logrus.Entry // nil: silent
}

// State is what the index knows of a content. It counts where the store has not had that content in hand since Open.
type State struct {
	Size     int64
	Complete bool // all of [0, Size) is here; Extents is ignored
	Extents  Extents
	Dirty    bool
	Pinned   bool
}

// Usage is what the store holds, in allocated bytes.
type Usage struct {
	Allocated int64
	Dirty     int64
	Pinned    int64
	Max       int64
	Files     int
}

// Store is the content files of one replica. All methods may be called at the same time.
type Store struct {
	cfg     Config
	log     *logrus.Entry
	dir     *os.File
	max     int64
	keep    int64               // bytes of the disk left free
	buffers *semaphore.Weighted // three quarters of Config.BufferBytes, for fetches
	windows *semaphore.Weighted // the last quarter, for readers that keep nothing
	pool    sync.Pool
	made    [256]atomic.Bool // shards whose names are not yet durable

	ctx    context.Context // of all fetches; ended by Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	entries  map[ID]*entry
	idle     *simplelru.LRU[ID, *entry] // what may be evicted: clean, unpinned, not open
	seed     []ID                       // recency of the last run, until Sweep has used it
	sum      Usage
	reserved int64         // bytes promised to growth under way
	evicting chan struct{} // closed when the present eviction ends; nil: none
	room     chan struct{} // closed when room was made
	starved  bool          // a writer waited in vain and no room was made since
	disk     diskRoom
}

// entry is what the store knows of one content, open or not.
type entry struct {
	id       ID
	alloc    int64 // as charged
	dirty    bool
	pinned   bool
	flags    bool // dirty and pinned are known: only then it may be evicted
	known    bool // complete and ext are known
	evicting bool
	removed  bool
	complete bool
	ext      Extents // while not open
	file     *File   // while open
}

// Open makes the store ready. It reads nothing of what Dir holds: Sweep does.
func Open(cfg Config) (*Store, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("content: make directory: %w", err)
	}
	dir, err := os.Open(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("content: open directory: %w", err)
	}
	total, _, err := sys.Space(cfg.Dir)
	if err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("content: size of the disk: %w", err)
	}
	s := &Store{
		cfg: cfg, log: cfg.Log, dir: dir, max: cfg.MaxBytes,
		entries: map[ID]*entry{}, room: make(chan struct{}),
	}
	s.defaults(total)
	s.buffers = semaphore.NewWeighted(max(s.cfg.BufferBytes*3/4, bufferSize))
	s.windows = semaphore.NewWeighted(s.cfg.BufferBytes / 4)
	s.pool.New = func() any { b := make([]byte, bufferSize); return &b }
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.idle, err = simplelru.NewLRU[ID, *entry](math.MaxInt, nil)
	if err != nil {
		panic(err) // only for a size of 0
	}
	return s, nil
}

func (s *Store) defaults(total int64) {
	if s.log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		s.log = logrus.NewEntry(l)
	}
	if s.max <= 0 {
		s.max = min(int64(defaultShare*float64(total)), defaultMax)
	}
	share := s.cfg.KeepFree
	if share == 0 {
		share = defaultKeep
	}
	s.keep = int64(max(share, 0) * float64(total))
	if s.cfg.BufferBytes <= 0 {
		s.cfg.BufferBytes = defaultBuffers
	}
	if s.cfg.Wait == 0 {
		s.cfg.Wait = defaultWait
	}
}

// Close ends all fetches and waits for them. Files that are still open go on to work on what is here, and are released by
// those who hold them.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	return s.dir.Close()
}

// begin counts one goroutine of the store, unless it is closed.
func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// Usage tells what is held.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.sum
	u.Max, u.Files = s.max, len(s.entries)
	return u
}

// Allocated tells how many bytes the disk holds of a content, for st_blocks; false where it is not known, or where not all
// of it is here.
func (s *Store) Allocated(id ID) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	if e == nil {
		return 0, false
	}
	return e.alloc, !e.known || e.complete || e.file != nil && e.file.complete.Load()
}

// SyncFS makes everything on the file system of Dir durable.
func (s *Store) SyncFS() error {
	if err := sys.SyncFS(s.dir); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	return nil
}

// path is DIR/ab/ID: ab are the low eight bits, ID is in hexadecimal.
func (s *Store) path(id ID) string {
	return filepath.Join(s.dirOf(id), strconv.FormatUint(uint64(id), 16))
}

func (s *Store) dirOf(id ID) string { return filepath.Join(s.cfg.Dir, shard(id)) }

// logPath is where the log of local ranges of id is (log.go).
func (s *Store) logPath(id ID) string { return s.path(id) + logSuffix }

func shard(id ID) string { return fmt.Sprintf("%02x", uint64(id)&0xff) }

// openFile opens the file of id, making its shard where create asks for it.
func (s *Store) openFile(id ID, flag int) (*os.File, error) {
	path := s.path(id)
	f, err := os.OpenFile(path, flag, 0o600)
	if errors.Is(err, os.ErrNotExist) && flag&os.O_CREATE != 0 {
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, full(err)
		}
		s.made[uint8(id)].Store(true)
		f, err = os.OpenFile(path, flag, 0o600)
	}
	return f, full(err)
}

// full turns an error that says "the disk is full" into ErrFull.
func full(err error) error {
	if err != nil && sys.IsNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
