package cache

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"dropfs/cache/index"
	"dropfs/cache/refresh"
	"dropfs/cache/sidecar"
	"dropfs/remote"
)

// segment is a sidecar that was fetched.
type segment struct {
	asset   remote.Asset
	records []sidecar.Record
}

// clockSkew is how far ahead of ours another machine's clock may be.
const clockSkew = 24 * time.Hour

// fetchSegments fetches the sidecars among what was heard that are not known yet.
func (r *Replica) fetchSegments(ctx context.Context, drop int64, h heard) ([]segment, error) {
	known := map[remote.AssetID]bool{}
	err := r.read(func(t *txn) error {
		segs, err := t.Segments(drop)
		for _, s := range segs {
			known[s.ID] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []segment
	for _, a := range h.assets {
		if _, ok := sidecar.ParseName(a.Name); ok && !known[a.ID] {
			out = append(out, segment{asset: a})
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range out {
		g.Go(func() (err error) {
			out[i].records, err = r.readSegment(ctx, out[i].asset)
			return err
		})
	}
	return out, g.Wait()
}

// readSegment reads one sidecar as what it is: somebody's bytes. One that cannot be read holds nothing.
func (r *Replica) readSegment(ctx context.Context, a remote.Asset) ([]sidecar.Record, error) {
	if a.Size > sidecar.MaxSegment {
		return nil, nil
	}
	body, err := r.cfg.Service.Fetch(ctx, a, 0, -1)
	if errors.Is(err, remote.ErrNotFound) {
		return nil, nil // compacted away meanwhile; what it held is in another
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(body, sidecar.MaxSegment+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	records, bad, err := sidecar.Decode(b, r.cfg.Now().Add(clockSkew).UnixNano())
	if err != nil || bad > 0 {
		r.log.WithError(err).WithField("path", a.Name).Warn("sidecar holds what is not understood; that is left out")
	}
	return records, nil
}

// segments merges fetched records into what is known, and notes which now hold.
func (a *applier) segments(list []segment) error {
	t := a.t
	for _, s := range list {
		for _, rec := range s.records {
			t.r.clockMu.Lock()
			t.r.clock.Observe(rec.Stamp)
			t.r.clockMu.Unlock()
			old, found, err := t.record(a.drop, rec.Key)
			if err != nil {
				return err
			}
			if found && sidecar.Compare(old, rec) >= 0 {
				continue
			}
			if err := t.keepRecord(a.drop, rec); err != nil {
				return err
			}
			if rec.Replica == t.r.replica {
				continue // sent before a kill and not recorded: what is here is newer
			}
			a.changed = append(a.changed, string(rec.Key))
		}
		if err := t.PutSegment(a.drop, index.Segment{ID: s.asset.ID, Name: s.asset.Name, Size: s.asset.Size}); err != nil {
			return err
		}
	}
	return nil
}

// sidecars notes hidden assets that came and went without having been read.
func (a *applier) sidecars(act refresh.Sidecar) error {
	for _, s := range act.Added {
		if err := a.t.PutSegment(a.drop, index.Segment{ID: s.ID, Name: s.Name, Size: s.Size}); err != nil {
			return err
		}
	}
	for _, id := range act.Gone {
		if err := a.t.DeleteSegment(a.drop, id); err != nil {
			return err
		}
	}
	return nil
}

// records puts the records that changed over the tree: first what makes and removes entries, then attributes, which the
// first would change again.
func (a *applier) records() error {
	if len(a.changed) == 0 {
		return nil
	}
	touched, err := a.t.Touched(a.drop)
	if err != nil {
		return err
	}
	slices.Sort(a.changed)
	var list []sidecar.Record
	for _, key := range slices.Compact(a.changed) {
		rec, found, err := a.t.record(a.drop, sidecar.Key(key))
		if err != nil {
			return err
		}
		if found {
			list = append(list, rec)
		}
	}
	for _, rec := range list {
		if rec.Kind != sidecar.File && !rec.Gone {
			if err := a.makePath(rec); err != nil {
				return err
			}
		}
	}
	for _, rec := range slices.Backward(list) { // what lies below goes first
		if rec.Gone && rec.Kind != sidecar.File {
			if err := a.removePath(rec, touched); err != nil {
				return err
			}
		}
	}
	// Files before directories: joining hard links changes times of what holds them.
	slices.SortStableFunc(list, func(x, y sidecar.Record) int { return cmp.Compare(y.Kind, x.Kind) })
	for _, rec := range list {
		if !rec.Gone {
			if err := a.attributes(rec, touched); err != nil {
				return err
			}
		}
	}
	return nil
}

// makePath makes the directory or symlink of a record where nothing is in its place.
func (a *applier) makePath(rec sidecar.Record) error {
	t := a.t
	wire, _ := rec.Key.Path()
	path := refresh.DecodeName(wire)
	if len(path) == 0 || refresh.EncodePath(path) != wire {
		return nil // a name that no replica of ours gives
	}
	for i := range path {
		if t.r.cfg.Classify(path[i]) == Local || i == 0 && path[i] == sidecarDir {
			return nil
		}
	}
	if blocked, err := a.blocked(path); err != nil || blocked {
		return err
	}
	_, n, found, err := t.atWire(a.drop, wire)
	if err != nil {
		return err
	}
	if found {
		if isSymlink(n.Mode) && rec.Kind == sidecar.Symlink && n.Target != rec.Target {
			n.Target = rec.Target
			a.tell(func() { t.r.tellInode(Ino(n.Ino)) })
			return t.UpdateNode(n)
		}
		return nil
	}
	dir, err := a.dirs(path[:len(path)-1])
	if err != nil {
		return err
	}
	name := path[len(path)-1]
	if rec.Kind == sidecar.Dir {
		_, err := a.mkdir(dir, name, 0)
		return err
	}
	parent, err := t.node(Ino(dir))
	if err != nil {
		return err
	}
	n = a.fresh(remote.Asset{}, unix.S_IFLNK|0o777)
	n.Target, n.Size, n.Chg = rec.Target, 0, 0
	_, _, err = t.insert(parent, name, n)
	a.tell(func() { t.r.tellEntry(Ino(dir), name) })
	return err
}

// blocked tells whether a file or a symlink stands where a path needs a directory: it stays, for a record makes no bytes
// give way.
func (a *applier) blocked(path []string) (bool, error) {
	t := a.t
	dir := a.drop
	for _, name := range path[:len(path)-1] {
		e, found, err := t.Entry(dir, name)
		if err != nil || !found {
			return false, err
		}
		n, err := t.node(Ino(e.Ino))
		if err != nil || !isDir(n.Mode) {
			return true, err
		}
		dir = n.Ino
	}
	return false, nil
}

// removePath takes away what another machine removed, unless it changed here or is in use.
func (a *applier) removePath(rec sidecar.Record, touched map[string]time.Time) error {
	t := a.t
	wire, _ := rec.Key.Path()
	e, n, found, err := t.atWire(a.drop, wire)
	if err != nil || !found {
		return err
	}
	if _, here := touched[nodeKey(n.Ino)]; here {
		return nil
	}
	switch {
	case isDir(n.Mode):
		full, err := t.HasEntries(n.Ino)
		if err != nil {
			return err
		}
		if full {
			n.Flags |= index.Implicit // it goes with the last of what lies in it
			return t.UpdateNode(n)
		}
		return a.rmdir(e, n)
	case isSymlink(n.Mode) && rec.Kind == sidecar.Symlink:
		if err := t.removeEntry(e, &n); err != nil {
			return err
		}
		a.goneName(e)
		t.after = append(t.after, func() { t.r.logRelease(t.r.dropOrphan(Ino(n.Ino)), Ino(n.Ino)) })
	}
	return nil
}

// attributes puts mode, time and attributes of a record on its inode, unless they changed here since.
func (a *applier) attributes(rec sidecar.Record, touched map[string]time.Time) error {
	t := a.t
	n, found, err := a.subject(rec)
	if err != nil || !found {
		return err
	}
	if _, here := touched[nodeKey(n.Ino)]; here {
		return nil
	}
	n.Mode = n.Mode&^0o1777 | rec.Mode
	n.Mtime, n.Ctime = rec.Mtime, t.now.UnixNano()
	if isDir(n.Mode) {
		n.Flags &^= index.Implicit
	}
	if err := t.UpdateNode(n); err != nil {
		return err
	}
	have, err := t.userXattrs(n.Ino)
	if err != nil {
		return err
	}
	for name := range have {
		if _, keep := rec.Xattrs[name]; !keep {
			if _, err := t.DeleteXattr(n.Ino, name); err != nil {
				return err
			}
		}
	}
	for name, value := range rec.Xattrs {
		if err := t.SetXattr(n.Ino, name, []byte(value)); err != nil {
			return err
		}
	}
	a.tell(func() { t.r.tellInode(Ino(n.Ino)) })
	return nil
}

// subject finds the inode of a record, joining hard links on the way.
func (a *applier) subject(rec sidecar.Record) (n index.Node, found bool, err error) {
	t := a.t
	if wire, ok := rec.Key.Path(); ok {
		_, n, found, err = t.atWire(a.drop, wire)
		if found && (isDir(n.Mode) != (rec.Kind == sidecar.Dir) || isSymlink(n.Mode) != (rec.Kind == sidecar.Symlink)) {
			found = false
		}
		return n, found, err
	}
	id, _ := rec.Key.Asset()
	row, found, err := t.Asset(a.drop, id)
	if err != nil || !found || row.Entry == 0 || row.Old {
		return n, false, err
	}
	e, found, err := t.EntryByID(row.Entry)
	if err != nil || !found {
		return n, false, err
	}
	if n, err = t.node(Ino(e.Ino)); err != nil {
		return n, false, err
	}
	if row.Chg != n.Chg {
		return n, false, nil // changed here since
	}
	if rec.Link != "" && n.Nlink == 1 {
		n, err = a.joinLink(e, n, row, rec.Link)
	}
	return n, err == nil, err
}

// joinLink makes an entry a name of the inode that is known under a hard-link group, where it has the same bytes.
func (a *applier) joinLink(e index.Entry, n index.Node, row index.Asset, link string) (index.Node, error) {
	t := a.t
	group := groupOf(link)
	list, err := t.NodesLinked(group)
	if err != nil {
		return n, err
	}
	for _, to := range list {
		if to.Ino == n.Ino || to.Nlink == 0 || to.Size != n.Size || !isFile(to.Mode) {
			continue
		}
		same, err := a.sameContent(to, row, link)
		if err != nil {
			return n, err
		}
		if !same {
			continue
		}
		if err := t.RebindEntry(e.ID, to.Ino); err != nil {
			return n, err
		}
		row.Chg = to.Chg
		if err := t.PutAsset(row); err != nil {
			return n, err
		}
		n.Nlink = 0
		if err := t.UpdateNode(n); err != nil {
			return n, err
		}
		gone := Ino(n.Ino)
		t.after = append(t.after, func() { t.r.logRelease(t.r.dropOrphan(gone), gone) })
		a.tell(func() { t.r.tellEntry(Ino(e.Parent), e.Name) })
		to.Nlink++
		return to, t.UpdateNode(to)
	}
	n.Link = group
	return n, t.UpdateNode(n)
}

// sameContent tells whether an inode that is in step with the service has the bytes of an asset: by their checksums, or
// because their records say that they were written as one.
func (a *applier) sameContent(n index.Node, row index.Asset, link string) (bool, error) {
	t := a.t
	assets, err := t.AssetsWith(n.Ino, n.Chg)
	if err != nil {
		return false, err
	}
	for _, other := range assets {
		if other.Drop != a.drop {
			return false, nil
		}
		if other.Remote.MD5 != "" && row.Remote.MD5 != "" {
			return strings.EqualFold(other.Remote.MD5, row.Remote.MD5), nil
		}
		rec, found, err := t.record(a.drop, sidecar.AssetKey(other.Remote.ID))
		if err != nil {
			return false, err
		}
		if found && rec.Link == link {
			return true, nil
		}
	}
	return false, nil
}
