package cache

import (
	"fmt"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"dropfs/cache/content"
	"dropfs/cache/index"
	"dropfs/cache/refresh"
	"dropfs/remote"
)

// applier makes the changes of one merge in one transaction.
type applier struct {
	t       *txn
	drop    int64
	told    []func()
	changed []string // sidecar keys whose records are to be put over what is here
	first   bool     // the first listing: no kernel knows anything of the drop yet, so none is told

	paths map[string]int64 // directories by their encoded path, as dirs found or made them
	grown map[int64]bool   // directories whose times end settles
}

// tell notes what the kernels are to learn after the commit.
func (a *applier) tell(f func()) {
	if !a.first {
		a.told = append(a.told, f)
	}
}

// end sets the times of the directories that got entries.
func (a *applier) end() error {
	for dir := range a.grown {
		n, found, err := a.t.Node(dir)
		if err != nil {
			return err
		}
		if found {
			if err := a.t.changed(n, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply makes the actions true. Entries that get another place are first taken out of the way, for they may exchange names.
func (a *applier) apply(actions []refresh.Action) error {
	var parked []parkedEntry
	for _, act := range actions {
		if log := a.t.r.log; log.Logger.IsLevelEnabled(logrus.DebugLevel) {
			log.WithField("kind", fmt.Sprintf("%T %+v", act, act)).Debug("merge")
		}
		p, err := a.park(act)
		if err != nil {
			return err
		}
		if p != nil {
			parked = append(parked, *p)
			continue
		}
		if err := a.one(act); err != nil {
			return fmt.Errorf("%T: %w", act, err)
		}
	}
	for _, p := range parked {
		if err := a.place(p.entry.ID, p.wire); err != nil {
			return err
		}
		if p.conflict {
			if err := a.t.movedTo(p.entry.ID); err != nil {
				return err
			}
		}
	}
	for _, act := range actions { // what is new comes last, when every name is free that will be
		if err := a.add(act); err != nil {
			return fmt.Errorf("%T: %w", act, err)
		}
	}
	return nil
}

type parkedEntry struct {
	entry    index.Entry
	wire     string
	conflict bool
}

// park takes an entry that moves out of its directory and notes where it is to go.
func (a *applier) park(act refresh.Action) (*parkedEntry, error) {
	var p parkedEntry
	var asset *remote.Asset
	shadow := ""
	switch act := act.(type) {
	case refresh.Conflict:
		p.entry.ID, p.wire, p.conflict = act.Entry, act.Wire, true
	case refresh.Rename:
		p.entry.ID, p.wire, asset = act.Entry, refresh.Canonical(act.Asset.Name), &act.Asset
	case refresh.Shadow:
		if act.Entry == 0 {
			return nil, nil
		}
		p.entry.ID, p.wire, asset, shadow = act.Entry, act.Wire, &act.Asset, act.Wire
	default:
		return nil, nil
	}
	e, found, err := a.t.EntryByID(p.entry.ID)
	if err != nil || !found {
		return nil, err
	}
	p.entry = e
	if asset != nil {
		if err := a.rebind(*asset, shadow); err != nil {
			return nil, err
		}
	}
	a.goneName(e)
	if err := a.t.MoveEntry(e.ID, 0, fmt.Sprint(e.ID)); err != nil {
		return nil, err
	}
	return &p, a.pruneDirs(e.Parent)
}

// rebind stores an asset in its row.
func (a *applier) rebind(asset remote.Asset, shadow string) error {
	row, found, err := a.t.Asset(a.drop, asset.ID)
	if err != nil || !found {
		return err
	}
	row.Remote, row.Shadow = asset, shadow
	return a.t.PutAsset(row)
}

// one makes an action true that gives no entry a new name.
func (a *applier) one(act refresh.Action) error {
	t := a.t
	switch act := act.(type) {
	case refresh.Forget:
		if row, found, err := t.Asset(a.drop, act.ID); err != nil || found && row.Entry == 0 && row.Remote.Created.IsZero() {
			return err // an upload that was given up: listings do not show it before it is confirmed, and its delete stands
		}
		if err := t.unqueue(index.OpDelete, a.drop, string(act.ID)); err != nil {
			return err
		}
		return t.DeleteAsset(a.drop, act.ID)
	case refresh.Update:
		row, found, err := t.Asset(a.drop, act.Asset.ID)
		if err != nil || !found {
			return err
		}
		row.Remote = act.Asset
		return t.PutAsset(row)
	case refresh.Remove:
		return a.remove(act.Entry, act.ID)
	case refresh.Unbind:
		if err := t.DeleteAsset(a.drop, act.ID); err != nil {
			return err
		}
		e, found, err := t.EntryByID(act.Entry)
		if err != nil || !found {
			return err
		}
		return t.entryChanged(e)
	case refresh.Own:
		return a.own(act)
	case refresh.Sidecar:
		return a.sidecars(act)
	}
	return nil
}

// add makes new entries, and new content of old ones.
func (a *applier) add(act refresh.Action) error {
	switch act := act.(type) {
	case refresh.Adopt:
		return a.adopt(act.Asset, refresh.Canonical(act.Asset.Name), "")
	case refresh.Shadow:
		if act.Entry == 0 {
			return a.adopt(act.Asset, act.Wire, act.Wire)
		}
	case refresh.Replace:
		return a.replace(act)
	}
	return nil
}

func (a *applier) remove(eid int64, id remote.AssetID) error {
	t := a.t
	if err := t.DeleteAsset(a.drop, id); err != nil {
		return err
	}
	e, found, err := t.EntryByID(eid)
	if err != nil || !found {
		return err
	}
	n, err := t.node(Ino(e.Ino))
	if err != nil {
		return err
	}
	if err := t.removeEntry(e, &n); err != nil {
		return err
	}
	dir, err := t.node(Ino(e.Parent))
	if err != nil {
		return err
	}
	if err := t.changed(dir, 0); err != nil {
		return err
	}
	a.goneName(e)
	if n.Nlink == 0 {
		t.after = append(t.after, func() { t.r.logRelease(t.r.dropOrphan(Ino(n.Ino)), Ino(n.Ino)) })
	}
	return a.pruneDirs(e.Parent)
}

// own binds an asset that is ours after all: an upload whose answer was lost, or one with the same bytes.
func (a *applier) own(act refresh.Own) error {
	t := a.t
	e, found, err := t.EntryByID(act.Entry)
	if err != nil || !found {
		return err
	}
	n, err := t.node(Ino(e.Ino))
	if err != nil {
		return err
	}
	chg := n.Chg
	op, queued, err := t.OpFor(index.OpEntry, e.ID, "")
	if err != nil {
		return err
	}
	sg, uploads := uploadOf(op)
	if queued && uploads && sg.Upload.ID == act.Asset.ID {
		chg = sg.Chg
		if err := t.SetSaga(op.Seq, nil); err != nil {
			return err
		}
	}
	assets, err := t.AssetsOf(e.ID)
	if err != nil {
		return err
	}
	for _, old := range assets {
		if old.Remote.ID == act.Asset.ID {
			continue
		}
		old.Old = true
		if err := t.PutAsset(old); err != nil {
			return err
		}
	}
	if err := t.PutAsset(index.Asset{Drop: a.drop, Remote: act.Asset, Entry: e.ID, Chg: chg, Mine: true}); err != nil {
		return err
	}
	if err := t.touch(n.Ino); err != nil { // the asset is new: its attributes are nobody's yet
		return err
	}
	return t.queue(index.OpEntry, e.ID, "", 0)
}

// fileMode is that of a file of which nobody told another.
const fileMode = unix.S_IFREG | 0o644

func (a *applier) fresh(asset remote.Asset, mode uint32) index.Node {
	t := a.t
	made := asset.Created.UnixNano()
	if asset.Created.IsZero() {
		made = t.now.UnixNano()
	}
	return index.Node{
		Mode: mode, UID: t.r.cfg.UID, GID: t.r.cfg.GID, Nlink: 1, Size: asset.Size, Chg: 1,
		Atime: made, Mtime: made, Ctime: t.now.UnixNano(), Btime: made,
	}
}

func (a *applier) adopt(asset remote.Asset, wire, shadow string) error {
	t := a.t
	ino, err := t.InsertNode(a.fresh(asset, fileMode))
	if err != nil {
		return err
	}
	dir, name, err := a.spot(wire)
	if err != nil {
		return err
	}
	eid, err := t.InsertEntry(dir, name, ino)
	if err != nil {
		return err
	}
	a.changed = append(a.changed, assetKey(asset.ID))
	return t.PutAsset(index.Asset{Drop: a.drop, Remote: asset, Entry: eid, Chg: 1, Shadow: shadow})
}

func (a *applier) replace(act refresh.Replace) error {
	t := a.t
	if err := t.DeleteAsset(a.drop, act.Old); err != nil {
		return err
	}
	e, found, err := t.EntryByID(act.Entry)
	if err != nil || !found {
		return err
	}
	n, err := t.node(Ino(e.Ino))
	if err != nil {
		return err
	}
	a.changed = append(a.changed, assetKey(act.Asset.ID))
	if act.NewInode || n.Nlink > 1 {
		return a.replaceInode(e, n, act.Asset)
	}
	if n.Content != 0 {
		old := content.ID(n.Content)
		if err := t.DeleteContent(n.Content); err != nil {
			return err
		}
		t.after = append(t.after, func() {
			if err := t.r.store.Remove(old); err != nil {
				t.r.log.WithError(err).Warn("content file not removed")
			}
		})
	}
	fresh := a.fresh(act.Asset, n.Mode)
	n.Content, n.Size, n.Mtime, n.Ctime = 0, fresh.Size, fresh.Mtime, fresh.Ctime
	n.Chg++
	if err := t.UpdateNode(n); err != nil {
		return err
	}
	a.tell(func() { t.r.tellInode(Ino(n.Ino)) })
	return t.PutAsset(index.Asset{Drop: a.drop, Remote: act.Asset, Entry: e.ID, Chg: n.Chg})
}

// replaceInode gives an entry a new inode, as if it was renamed over: readers of the old one keep what they have open.
func (a *applier) replaceInode(e index.Entry, old index.Node, asset remote.Asset) error {
	t := a.t
	n := a.fresh(asset, old.Mode)
	ino, err := t.InsertNode(n)
	if err != nil {
		return err
	}
	if err := t.RebindEntry(e.ID, ino); err != nil {
		return err
	}
	old.Nlink--
	old.Ctime = t.now.UnixNano()
	if err := t.UpdateNode(old); err != nil {
		return err
	}
	t.after = append(t.after, func() { t.r.logRelease(t.r.dropOrphan(Ino(old.Ino)), Ino(old.Ino)) })
	a.tell(func() { t.r.tellEntry(Ino(e.Parent), e.Name) })
	return t.PutAsset(index.Asset{Drop: a.drop, Remote: asset, Entry: e.ID, Chg: n.Chg})
}
