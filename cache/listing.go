package cache

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"dropfs/cache/index"
	"dropfs/remote"
)

// How old a listing is. A listing is believed whole: what is not in it goes off the disk. So one that was made before
// something that is known here must never be taken for the present one, and there are two ways to meet one.
//
// It is late: it was made and answered in good faith, and meanwhile something happened, by our own hand or told by the
// feed. What came of that is held in recent, and the listing says nothing of it.
//
// It is stale: it was asked for after something that it does not know of. A cache on the way answered, or a copy of the
// service that lags behind. It is asked for again, and left out if it stays so. A hub numbers its listings by its feed,
// so that a stale one is told by its number; of a service that does not, what is missing in a listing is asked for by itself
// before it is taken to be gone (witnesses).

// heard is what the service said of a drop.
type heard struct {
	complete bool
	assets   []remote.Asset
	gone     []remote.AssetID
	seq      int64       // the listing knows of all changes up to it; of an event, its own; 0: the service does not tell
	turn     int64       // when it was asked for, of Replica.turn
	sums     map[Ino]sum // of unsent files under whose name something new is
}

// recent remembers what became of a drop's assets on the service, by our own hand or by the word of the feed, until every
// listing that is still to come knows of it.
type recent struct {
	merging *semaphore.Weighted // of one: held by the merge of the drop
	mu      sync.Mutex
	flights map[*flight]bool // guarded by mu, like what follows
	fresh   map[remote.AssetID]note
	deleted map[remote.AssetID]note
	seq     int64     // the highest number that was heard: a listing asked for from now on has no lower one
	turn    int64     // of the latest listing that was merged
	listed  int64     // its number
	doubted time.Time // since when listings have been stale; zero: the last one was not
}

// note is when something was learned.
type note struct {
	turn int64     // later than that of every listing that was asked for before
	seq  int64     // a listing of this number, or of a lower one, does not know of it; 0: not known
	at   time.Time // on Config.Now
}

// nextTurn orders what is asked for and what is learned. It has no ties, as a clock may have.
func (r *Replica) nextTurn() int64 { return r.turns.Add(1) }

func (r *Replica) recentOf(drop int64) *recent {
	if v, ok := r.recents.Load(drop); ok {
		return v.(*recent)
	}
	v, _ := r.recents.LoadOrStore(drop, newRecent(0))
	return v.(*recent)
}

func newRecent(seq int64) *recent {
	return &recent{
		merging: semaphore.NewWeighted(1), flights: map[*flight]bool{},
		fresh: map[remote.AssetID]note{}, deleted: map[remote.AssetID]note{}, seq: seq,
	}
}

// loadRecents begins with the highest numbers of the assets that were known when dropfs ended. A hub that was put back to
// an earlier state meanwhile says so when its feed begins.
func (r *Replica) loadRecents() error {
	return r.read(func(t *txn) error {
		return t.LastSeqs(func(drop, seq int64) { r.recents.Store(drop, newRecent(seq)) })
	})
}

// noteFresh remembers that an asset was confirmed, renamed or told of by the change seq; 0: its number is not known.
func (r *Replica) noteFresh(drop int64, id remote.AssetID, seq int64) {
	rc := r.recentOf(drop)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	n := note{turn: r.nextTurn(), seq: rc.seq, at: r.cfg.Now()}
	if seq != 0 {
		n.seq, rc.seq = seq-1, max(rc.seq, seq)
	}
	rc.fresh[id] = n
}

// noteDeleted remembers that an asset was deleted.
func (r *Replica) noteDeleted(drop int64, id remote.AssetID) {
	rc := r.recentOf(drop)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.deleted[id] = note{turn: r.nextTurn(), seq: rc.seq, at: r.cfg.Now()}
}

// heardOf remembers the number of what was merged, and of an event that said nothing new.
func (rc *recent) heardOf(h heard) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.seq = max(rc.seq, h.seq)
}

// known is the number below which a listing that is asked for now is stale.
func (rc *recent) known() int64 {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return rc.seq
}

// wentBack takes over the number of a feed that begins anew: a service put back to an earlier state counts on from there.
func (rc *recent) wentBack(seq int64) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.seq <= seq {
		return
	}
	rc.seq, rc.listed = seq, min(rc.listed, seq)
	for _, notes := range []map[remote.AssetID]note{rc.fresh, rc.deleted} {
		for id, n := range notes {
			n.seq = min(n.seq, seq-1)
			notes[id] = n
		}
	}
}

// outdated tells whether a later listing than h was merged already; else it notes h. rc.merging is held.
func (rc *recent) outdated(h heard) bool {
	if !h.complete {
		return false
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if h.seq < rc.listed && h.seq != 0 || (h.seq == rc.listed || h.seq == 0) && h.turn < rc.turn {
		return true
	}
	rc.turn, rc.listed = max(rc.turn, h.turn), h.seq
	return false
}

const (
	recentFor   = time.Minute // how long what was learned is kept in any case
	manyDeleted = 10_000      // and how many of those deleted, of a service whose listings have no numbers
)

// since answers what h cannot know of: what was confirmed, renamed or told of since it was asked for, or by a later change
// than its number, and what was deleted: an id never comes back, so whatever still tells of it is late. What every later
// listing knows of it forgets.
func (rc *recent) since(h heard, now time.Time) (fresh, deleted map[remote.AssetID]bool) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	settled := func(n note) bool {
		return h.complete && n.turn < h.turn && (h.seq == 0 || n.seq < h.seq) && now.Sub(n.at) > recentFor
	}
	fresh, deleted = map[remote.AssetID]bool{}, map[remote.AssetID]bool{}
	for id, n := range rc.fresh {
		switch {
		case n.turn > h.turn, h.complete && h.seq != 0 && n.seq >= h.seq:
			fresh[id] = true
		case settled(n):
			delete(rc.fresh, id)
		}
	}
	for id, n := range rc.deleted {
		if settled(n) && (h.seq != 0 || len(rc.deleted) > manyDeleted) {
			delete(rc.deleted, id)
		} else {
			deleted[id] = true
		}
	}
	return fresh, deleted
}

// refreshDrop lists a drop and merges the listing. It is the Fetch of the poller.
func (r *Replica) refreshDrop(ctx context.Context, ino int64) error {
	var d index.Drop
	var found bool
	err := r.read(func(t *txn) (err error) {
		d, found, err = t.Drop(ino)
		return err
	})
	if err != nil || !found || d.Gone || d.Remote.ID == "" {
		return err
	}
	h, err := r.list(ctx, d)
	r.observe(err)
	r.noteTrouble(ino, err)
	if errors.Is(err, remote.ErrNotFound) {
		return r.dropGone(ino)
	}
	if err != nil {
		return err
	}
	if err := r.merge(ctx, ino, h); err != nil {
		return err
	}
	return r.refreshInfo(ctx, d)
}

const (
	staleTries = 6                      // how often a listing is asked for again that is stale
	staleWait  = 100 * time.Millisecond // before the first time, twice as long before each further
	// doubtFor is how long stale listings are left out: a service that was put back to an earlier state, and whose feed cannot
	// be heard, is believed in the end.
	doubtFor = 10 * time.Minute
)

// list asks for a drop's listing until one is not stale.
func (r *Replica) list(ctx context.Context, d index.Drop) (heard, error) {
	rc := r.recentOf(d.Ino)
	for try, wait := 1, staleWait; ; try, wait = try+1, 2*wait {
		known := rc.known()
		h := heard{complete: true, turn: r.nextTurn()}
		l, err := r.cfg.Service.Assets(ctx, d.Remote.ID)
		if err != nil {
			return h, err
		}
		h.assets, h.seq = l.Assets, l.Seq
		stale := h.seq != 0 && h.seq < known
		if h.seq == 0 {
			if stale, err = r.witnesses(ctx, d, h); err != nil {
				return h, err
			}
		}
		if !rc.doubts(stale, r.cfg.Now()) {
			if stale {
				r.log.WithField("ino", d.Ino).Warnf("the service has listed an earlier state of a drop for %v; it is taken for the present one", doubtFor)
				rc.wentBack(h.seq)
			}
			return h, nil
		}
		r.log.WithField("ino", d.Ino).Debug("a listing is older than what is known; it is left out")
		if try == staleTries {
			return h, &remote.Error{
				Kind: remote.ErrProtocol, Op: "list assets", Subject: d.Remote.Name,
				Message: "the service, or a proxy before it, answers with a listing that is older than what it said before",
			}
		}
		select {
		case <-ctx.Done():
			return h, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// doubts tells whether a listing is left out: it is stale, and has not been for too long.
func (rc *recent) doubts(stale bool, now time.Time) bool {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	switch {
	case !stale:
		rc.doubted = time.Time{}
	case rc.doubted.IsZero():
		rc.doubted = now
	case now.Sub(rc.doubted) > doubtFor:
		return false
	}
	return stale
}

// maxWitnesses bounds how many assets are asked for by themselves for one listing.
const maxWitnesses = 8

// witnesses tells whether a listing without a number is stale: it lacks an asset that the service has when it is asked for
// it. The newest are asked for, for a listing that is too old lacks those.
func (r *Replica) witnesses(ctx context.Context, d index.Drop, h heard) (stale bool, err error) {
	listed := make(map[remote.AssetID]bool, len(h.assets))
	for _, a := range h.assets {
		listed[a.ID] = true
	}
	var missing []remote.Asset
	err = r.read(func(t *txn) error {
		assets, err := t.AssetsIn(d.Ino)
		for _, a := range assets {
			missing = append(missing, a.Remote)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	fresh, deleted := r.recentOf(d.Ino).since(h, r.cfg.Now())
	missing = slices.DeleteFunc(missing, func(a remote.Asset) bool { return listed[a.ID] || fresh[a.ID] || deleted[a.ID] })
	slices.SortFunc(missing, func(a, b remote.Asset) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	for _, a := range missing[:min(len(missing), maxWitnesses)] {
		_, err := r.cfg.Service.Asset(ctx, d.Remote.ID, a.ID)
		switch remote.KindOf(err) {
		case "":
			return true, nil
		case remote.ErrNotFound, remote.ErrDenied, remote.ErrUnsupported: // gone, or never to be asked for
		default:
			return false, err
		}
	}
	return false, nil
}
