package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dropfs/cache/index"
	"dropfs/cache/refresh"
	"dropfs/cache/sidecar"
	"dropfs/remote"
)

// sidecarDir is the hidden directory of a drop that holds the sidecars.
const sidecarDir = ".dropfs"

const (
	sidecarFirst = 5 * time.Second // after a change, where no segment was written for a minute
	sidecarEvery = time.Minute     // between two segments of a drop
	segmentSize  = 20000           // records in one segment at most
)

// newReplicaName is a name that no other replica has, fit for a segment's name.
func newReplicaName() string { return strings.ToLower(rand.Text()[:12]) }

// linkGroup names the hard links of an inode for other machines.
func (r *Replica) linkGroup(ino int64) string { return fmt.Sprintf("%s-%d", r.replica, ino) }

// linkOf is what the records of a hard-linked inode carry: its group, and the version that they were written as.
func (r *Replica) linkOf(n index.Node) string {
	return fmt.Sprintf("%s/%s-%d", n.Link, r.replica, n.Chg)
}

// groupOf is the group alone.
func groupOf(link string) string {
	group, _, _ := strings.Cut(link, "/")
	return group
}

func assetKey(id remote.AssetID) string { return string(sidecar.AssetKey(id)) }

// nodeKey notes an inode whose attributes changed, goneKey a path at which a directory or symlink is no more.
func nodeKey(ino int64) string   { return "n:" + strconv.FormatInt(ino, 10) }
func goneKey(wire string) string { return string(sidecar.PathKey(wire)) }
func nodeOf(key string) (int64, bool) {
	s, ok := strings.CutPrefix(key, "n:")
	ino, err := strconv.ParseInt(s, 10, 64)
	return ino, ok && err == nil
}

// touch notes that attributes changed which only a sidecar can carry.
func (t *txn) touch(ino int64) error {
	entries, err := t.EntriesOf(ino)
	for _, e := range entries { // a file may have a name that is sent beside one that is not
		var p place
		if err == nil {
			p, err = t.placeOf(e)
		}
		if err != nil {
			return err
		}
		if p.sent() && len(p.path) > 0 {
			return t.touchKey(p.drop, nodeKey(ino))
		}
	}
	return err
}

// gone notes that a directory or a symlink left a place.
func (t *txn) gone(e index.Entry, n index.Node) error {
	if !isDir(n.Mode) && !isSymlink(n.Mode) {
		return nil
	}
	p, err := t.placeOf(e)
	if err != nil || !p.sent() || len(p.path) == 0 {
		return err
	}
	return t.touchKey(p.drop, goneKey(p.wire()))
}

func (t *txn) touchKey(drop int64, key string) error {
	at := time.Unix(0, t.r.stamp(t.now)) // grows, so that a note is not taken for the one before it
	if err := t.Touch(drop, key, at); err != nil {
		return err
	}
	if _, queued, err := t.OpFor(index.OpSidecar, drop, ""); err != nil || queued {
		return err
	}
	delay := sidecarFirst
	if at, ok := t.r.lastSegment.Load(drop); ok {
		delay = max(delay, at.(time.Time).Add(sidecarEvery).Sub(t.now))
	}
	return t.queue(index.OpSidecar, drop, "", delay)
}

// doSidecar writes a segment with everything that was touched, and merges segments where there are too many.
func (r *Replica) doSidecar(ctx context.Context, op index.Op) error {
	drop := op.Target
	var d index.Drop
	var touched map[string]time.Time
	var records []sidecar.Record
	err := r.read(func(t *txn) (err error) {
		if d, err = t.liveDrop(drop); err != nil {
			return err
		}
		if touched, err = t.Touched(drop); err != nil {
			return err
		}
		records, err = t.touchedRecords(drop, touched)
		return err
	})
	switch {
	case errors.Is(err, errWaitsForDrop):
		return r.behindDrop(op.Seq, drop)
	case errors.Is(err, ErrReadOnly):
		return r.writeAlways(func(t *txn) error { return t.DeleteOp(op.Seq) })
	case err != nil:
		return err
	}
	segs, err := r.writeSegments(ctx, d, records)
	if errors.Is(err, remote.ErrDenied) {
		r.log.WithError(err).Info("this account may not add to the drop: modes, times and symlinks stay on this machine")
		segs, err = nil, nil
	}
	if errors.Is(err, remote.ErrQuota) || errors.Is(err, remote.ErrTooLarge) {
		// The bytes of files go first: what is full today may have room for a few attributes later.
		return r.postpone(op.Seq, r.cfg.Now().Add(sidecarEvery))
	}
	if err != nil {
		return err
	}
	err = r.writeAlways(func(t *txn) error {
		for _, s := range segs {
			if err := t.PutSegment(drop, s); err != nil {
				return err
			}
		}
		for _, rec := range records {
			if err := t.keepRecord(drop, rec); err != nil {
				return err
			}
		}
		for key, at := range touched {
			if err := t.Untouch(drop, key, at); err != nil {
				return err
			}
		}
		left, err := t.Touched(drop)
		if err != nil {
			return err
		}
		if err := t.DeleteOp(op.Seq); err != nil || len(left) == 0 {
			return err
		}
		return t.queue(index.OpSidecar, drop, "", sidecarEvery)
	})
	if err != nil {
		return err
	}
	r.lastSegment.Store(drop, r.cfg.Now())
	return r.compact(ctx, d)
}

// keepRecord stores a record that was written; its directory, if it is one, exists in its own right now.
func (t *txn) keepRecord(drop int64, rec sidecar.Record) error {
	return t.PutAttrs(drop, string(rec.Key), rec.Encode())
}

// touchedRecords makes the records of what was touched, as it is now, leaving out what every replica knows already.
func (t *txn) touchedRecords(drop int64, touched map[string]time.Time) ([]sidecar.Record, error) {
	byKey := map[sidecar.Key]sidecar.Record{}
	for key := range touched {
		var list []sidecar.Record
		var err error
		if ino, ok := nodeOf(key); ok {
			list, err = t.nodeRecords(drop, ino)
		} else {
			list, err = t.goneRecords(drop, strings.TrimPrefix(key, "p:"))
		}
		if err != nil {
			return nil, err
		}
		for _, rec := range list {
			if old, ok := byKey[rec.Key]; !ok || old.Gone {
				byKey[rec.Key] = rec
			}
		}
	}
	var out []sidecar.Record
	for _, rec := range byKey {
		known, found, err := t.record(drop, rec.Key)
		if err != nil {
			return nil, err
		}
		if found && sameRecord(known, rec) {
			continue
		}
		if found { // written before a restart perhaps, or while this machine's clock was ahead
			t.r.clockMu.Lock()
			t.r.clock.Observe(known.Stamp)
			t.r.clockMu.Unlock()
		}
		rec.Stamp, rec.Replica = t.r.stamp(t.now), t.r.replica
		if err := rec.Check(); err != nil {
			t.r.log.WithError(err).Warn("attributes that no other machine would take are not sent")
			continue
		}
		out = append(out, rec)
	}
	return out, nil
}

func sameRecord(a, b sidecar.Record) bool {
	a.Stamp, a.Replica, b.Stamp, b.Replica = 0, "", 0, ""
	return string(a.Encode()) == string(b.Encode())
}

// stamp is the hybrid clock's next.
func (r *Replica) stamp(now time.Time) int64 {
	r.clockMu.Lock()
	defer r.clockMu.Unlock()
	return r.clock.Next(now)
}

// record reads what is known under a key.
func (t *txn) record(drop int64, key sidecar.Key) (rec sidecar.Record, found bool, err error) {
	text, found, err := t.Attrs(drop, string(key))
	if err != nil || !found {
		return rec, false, err
	}
	if rec, err = sidecar.DecodeRecord(text); err != nil {
		return rec, false, nil //nolint:nilerr // a damaged record is as good as none
	}
	return rec, true, nil
}

// nodeRecords makes the records of an inode: one for each of its names.
func (t *txn) nodeRecords(drop, ino int64) ([]sidecar.Record, error) {
	n, found, err := t.Node(ino)
	if err != nil || !found || isSpecial(n.Mode) {
		return nil, err
	}
	rec := sidecar.Record{Kind: sidecar.File, Mode: n.Mode & 0o1777, Mtime: n.Mtime}
	if rec.Xattrs, err = t.userXattrs(ino); err != nil {
		return nil, err
	}
	switch {
	case isDir(n.Mode):
		rec.Kind = sidecar.Dir
	case isSymlink(n.Mode):
		rec.Kind, rec.Target = sidecar.Symlink, n.Target
	case n.Nlink > 1:
		rec.Link = t.r.linkOf(n)
	}
	entries, err := t.EntriesOf(ino)
	if err != nil {
		return nil, err
	}
	var out []sidecar.Record
	for _, e := range entries {
		p, err := t.placeOf(e)
		if err != nil {
			return nil, err
		}
		if !p.sent() || p.drop != drop || len(p.path) == 0 {
			continue
		}
		rec.Key = sidecar.PathKey(p.wire())
		if rec.Kind == sidecar.File {
			id, err := t.presentAsset(e.ID, n.Chg)
			if err != nil {
				return nil, err
			}
			if id == "" {
				continue // its upload touches it again
			}
			rec.Key = sidecar.AssetKey(id)
		}
		out = append(out, rec)
	}
	return out, nil
}

// presentAsset finds the asset that has an entry's bytes; "" none.
func (t *txn) presentAsset(eid, chg int64) (remote.AssetID, error) {
	assets, err := t.AssetsOf(eid)
	for _, a := range assets {
		if !a.Old && a.Chg == chg {
			return a.Remote.ID, err
		}
	}
	return "", err
}

func (t *txn) userXattrs(ino int64) (map[string]string, error) {
	all, err := t.Xattrs(ino)
	var out map[string]string
	for name, value := range all {
		if strings.HasPrefix(name, "user.") {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = string(value)
		}
	}
	return out, err
}

// goneRecords makes records that end those at and below a path at which nothing is any more.
func (t *txn) goneRecords(drop int64, wire string) ([]sidecar.Record, error) {
	var known []sidecar.Record
	err := t.AllAttrs(drop, func(key string, text []byte) {
		path, ok := sidecar.Key(key).Path()
		if !ok || path != wire && !strings.HasPrefix(path, wire+"/") {
			return
		}
		if rec, err := sidecar.DecodeRecord(text); err == nil && !rec.Gone {
			known = append(known, rec)
		}
	})
	if err != nil {
		return nil, err
	}
	var out []sidecar.Record
	for _, rec := range known {
		path, _ := rec.Key.Path()
		_, n, found, err := t.atWire(drop, path)
		if err != nil {
			return nil, err
		}
		if found && (isDir(n.Mode) || isSymlink(n.Mode)) {
			continue
		}
		out = append(out, sidecar.Record{Key: rec.Key, Kind: rec.Kind, Gone: true})
	}
	return out, nil
}

// atWire finds the entry at a wire path of a drop.
func (t *txn) atWire(drop int64, wire string) (e index.Entry, n index.Node, found bool, err error) {
	n.Ino = drop
	for _, name := range refresh.DecodeName(wire) {
		if e, found, err = t.Entry(n.Ino, name); err != nil || !found {
			return e, n, false, err
		}
		if n, err = t.node(Ino(e.Ino)); err != nil {
			return e, n, false, err
		}
	}
	return e, n, found, nil
}

// writeSegments sends records as assets. One that was sent and is not recorded, for a kill, is met by the next listing
// and read like anybody's.
func (r *Replica) writeSegments(ctx context.Context, d index.Drop, records []sidecar.Record) ([]index.Segment, error) {
	var out []index.Segment
	for len(records) > 0 {
		n := min(len(records), segmentSize)
		blobs, err := sidecar.Encode(records[:n])
		if err != nil {
			return out, fmt.Errorf("%w: %w", ErrIO, err)
		}
		for i, b := range blobs {
			name := sidecar.NameOf(r.replica, records[:n])
			name.First += int64(i) // of several made from one, each has a name of its own
			seg, err := r.sendSegment(ctx, d, name.String(), b)
			if err != nil {
				return out, err
			}
			out = append(out, seg)
		}
		records = records[n:]
	}
	return out, nil
}

func (r *Replica) sendSegment(ctx context.Context, d index.Drop, name string, b []byte) (seg index.Segment, err error) {
	defer r.traffic.begin()()
	s := r.cfg.Service
	up, err := s.StartUpload(ctx, d.Remote.ID, remote.UploadSpec{Name: name, Type: "application/octet-stream", Size: int64(len(b))})
	if err != nil {
		return seg, err
	}
	up, err = s.Send(ctx, up, strings.NewReader(string(b)), func(remote.Upload) error { return nil }, nil)
	if err != nil {
		return seg, errors.Join(err, s.Abort(ctx, up))
	}
	err = r.fly(d.Ino, up.ID, func() error {
		a, err := s.Confirm(ctx, up, remote.ConfirmSpec{})
		if err != nil {
			return err
		}
		seg = index.Segment{ID: a.ID, Name: name, Size: int64(len(b))}
		r.noteFresh(d.Ino, a.ID, a.Seq)
		return r.writeAlways(func(t *txn) error { return t.PutSegment(d.Ino, seg) })
	})
	return seg, err
}

// compact merges segments where the plan says so: the merged one is there before the others go.
func (r *Replica) compact(ctx context.Context, d index.Drop) error {
	var infos []sidecar.Info
	live := 0
	err := r.read(func(t *txn) error {
		segs, err := t.Segments(d.Ino)
		if err != nil {
			return err
		}
		for _, s := range segs {
			infos = append(infos, sidecar.Info{ID: s.ID, Name: s.Name, Size: s.Size})
		}
		return t.AllAttrs(d.Ino, func(string, []byte) { live++ })
	})
	if err != nil {
		return err
	}
	plan := sidecar.Plan(infos, live)
	if len(plan) < 2 {
		return nil
	}
	var parts [][]sidecar.Record
	for _, s := range plan {
		records, err := r.readSegment(ctx, remote.Asset{ID: s.ID, Drop: d.Remote.ID, Name: s.Name, Size: s.Size})
		if err != nil {
			return err
		}
		parts = append(parts, records)
	}
	if _, err := r.writeSegments(ctx, d, sidecar.Compact(parts, nil)); err != nil {
		return err
	}
	defer r.traffic.begin()()
	for _, s := range plan {
		r.noteDeleted(d.Ino, s.ID)
		if err := r.cfg.Service.Delete(ctx, d.Remote.ID, s.ID); err != nil && !errors.Is(err, remote.ErrNotFound) {
			return err
		}
		if err := r.writeAlways(func(t *txn) error { return t.DeleteSegment(d.Ino, s.ID) }); err != nil {
			return err
		}
	}
	return nil
}
