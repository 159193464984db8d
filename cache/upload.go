package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"path"
	"slices"
	"time"

	"dropfs/cache/content"
	"dropfs/cache/index"
	"dropfs/remote"
)

// errRewritten ends an upload whose content changed under it.
var errRewritten = errors.New("changed while it was sent")

// upload sends the content of an entry and records the asset.
func (r *Replica) upload(ctx context.Context, op index.Op, s *entryState, caps remote.Caps) error {
	defer r.traffic.begin()()
	in := r.acquire(Ino(s.node.Ino), false)
	err := r.uploadInode(ctx, op, s, caps, in)
	return errors.Join(err, in.release(false))
}

func (r *Replica) uploadInode(ctx context.Context, op index.Op, s *entryState, caps remote.Caps, in *inode) error {
	if at, wait := r.quietUntil(in, op); wait {
		return r.postpone(op.Seq, at)
	}
	began := r.cfg.Now()
	file, err := in.seal(ctx, s)
	if err != nil {
		return err
	}
	sg, err := r.begin(ctx, op, s, caps, file)
	if err != nil {
		return err
	}
	sg.CopyOf, sg.CopyFrom = "", ""
	if !sg.Sent {
		if err := r.send(ctx, op, s, in, file, &sg); err != nil {
			if errors.Is(err, errRewritten) {
				r.holdBusy(s.entry.ID, in, r.cfg.Now().Sub(began))
				return errors.Join(r.giveUp(op, sg), r.postpone(op.Seq, r.cfg.Now().Add(r.cfg.WriteDelay)))
			}
			if k := remote.KindOf(err); k == remote.ErrExpiredURL || k == remote.ErrNotFound || k == remote.ErrConflict {
				return errors.Join(r.giveUp(op, sg), fmt.Errorf("%w: %w", remote.ErrExpiredURL, err))
			}
			return err
		}
	}
	err = r.confirm(ctx, op, s, caps, sg)
	if k := remote.KindOf(err); k == remote.ErrNotFound || k == remote.ErrConflict || k == remote.ErrExpiredURL || k == remote.ErrCorrupt {
		return errors.Join(r.giveUp(op, sg), fmt.Errorf("%w: %w", remote.ErrExpiredURL, err))
	}
	if err == nil {
		r.holdBusy(s.entry.ID, in, r.cfg.Now().Sub(began))
	}
	return err
}

// copyThere has the service make the asset of bytes that it has already: of another name of the file, or of the file that
// it is a copy of. The asset's identity is recorded before (C6), as for bytes that are sent. done is false where there are
// none such, or the service would not: the bytes are then sent, to where they were reserved.
func (r *Replica) copyThere(ctx context.Context, op index.Op, s *entryState, caps remote.Caps) (done bool, err error) {
	if !caps.Copy {
		return false, nil
	}
	defer r.traffic.begin()()
	from, err := r.copySource(op, s)
	if err != nil || from.ID == "" {
		return false, err
	}
	sg, err := r.begin(ctx, op, s, caps, nil)
	if errors.Is(err, remote.ErrQuota) {
		return false, nil // whoever sends it makes room
	}
	if err != nil || sg.Sent {
		return false, err
	}
	sg.CopyOf, sg.CopyFrom = from.ID, from.Drop
	if err := r.saveSaga(op, sg); err != nil {
		return false, err
	}
	r.at("copy recorded")
	err = r.confirm(ctx, op, s, caps, sg)
	if err == nil || ctx.Err() != nil || remote.KindOf(err).Transient() {
		return err == nil, err
	}
	sg.CopyOf, sg.CopyFrom = "", ""
	return false, r.saveSaga(op, sg)
}

// copySource answers the asset that an upload under way is to be a copy of, else one that surely has the bytes of s; its ID is
// "" where there is none.
func (r *Replica) copySource(op index.Op, s *entryState) (from remote.Asset, err error) {
	if sg, ok := uploadOf(op); ok && sg.CopyOf != "" && sg.fits(s) {
		return remote.Asset{ID: sg.CopyOf, Drop: sg.CopyFrom}, nil
	}
	origin, chg, copied := r.originOf(s)
	err = r.read(func(t *txn) error {
		list, err := t.AssetsWith(s.node.Ino, s.node.Chg)
		if err == nil && len(list) == 0 && copied {
			list, err = t.AssetsWith(int64(origin), chg)
		}
		if err == nil && len(list) > 0 {
			from = list[0].Remote
		}
		return err
	})
	return from, err
}

// confirm makes the sent bytes an asset and records it.
func (r *Replica) confirm(ctx context.Context, op index.Op, s *entryState, caps remote.Caps, sg saga) error {
	return r.fly(s.place.drop, sg.Upload.ID, func() error {
		a, err := r.cfg.Service.Confirm(ctx, sg.Upload, remote.ConfirmSpec{Replaces: sg.Replaces, CopyOf: sg.CopyOf, CopyFrom: sg.CopyFrom})
		if err != nil {
			return err
		}
		r.at("confirmed")
		var replaced []remote.AssetID
		if caps.Replace && sg.Replaces != "" {
			replaced = []remote.AssetID{sg.Replaces}
		}
		if a.MD5 == "" && sg.Upload.PartSize == 0 {
			a.MD5 = md5Of(a)
		}
		return r.recordUpload(op, s, a, replaced)
	})
}

// recordUpload records a confirmed asset, unless a merge met it first: then it is recorded already, and may have been
// replaced since. It is not wanted where its op is no more, or the entry took another's asset of the same bytes meanwhile.
func (r *Replica) recordUpload(op index.Op, s *entryState, a remote.Asset, replaced []remote.AssetID) error {
	return r.writeAlways(func(t *txn) error {
		now, queued, err := t.Op(op.Seq)
		if err != nil {
			return err
		}
		if sg, _ := uploadOf(now); queued && sg.Upload.ID != a.ID {
			return nil
		}
		present, err := t.AssetsOf(s.entry.ID)
		if err != nil {
			return err
		}
		if !queued || slices.ContainsFunc(present, func(p index.Asset) bool { return p.Remote.ID != a.ID && s.shownBy(p) }) {
			return t.recordUnwanted(op.Seq, s, a, replaced)
		}
		return t.recordAsset(op.Seq, s, a, replaced)
	})
}

// md5Of is the checksum that a service tells in the ETag of a single PUT; "" where it is none.
func md5Of(a remote.Asset) string {
	if len(a.ETag) != 32 {
		return ""
	}
	return a.ETag
}

// quietUntil tells whether an upload would come too early: a file that is open for writing is sent when it is closed or
// synced, or half a minute after its first unsent change; at once when somebody waits for it.
func (r *Replica) quietUntil(in *inode, op index.Op) (at time.Time, wait bool) {
	if r.hurry.Load() > 0 {
		return at, false
	}
	r.mu.Lock()
	writers := in.writers
	r.mu.Unlock()
	in.mu.RLock()
	synced := in.synced
	in.mu.RUnlock()
	at = op.First.Add(maxQuiet)
	return at, writers > 0 && !synced && r.cfg.Now().Before(at)
}

const maxQuiet = 30 * time.Second

// holdBusy lets the next upload of a file that is still open for writing wait ten times what this one took.
func (r *Replica) holdBusy(eid int64, in *inode, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.holds, eid)
	if in.writers > 0 {
		r.holds[eid] = r.cfg.Now().Add(10 * took)
	}
}

// seal fetches what is not here, brings the index up to the content and lets the next write begin a new change, so that
// one that comes while the content is sent is seen.
func (in *inode) seal(ctx context.Context, s *entryState) (*content.File, error) {
	for {
		in.mu.Lock()
		if err := in.load(); err != nil {
			in.mu.Unlock()
			return nil, err
		}
		if in.file.Complete() {
			break
		}
		file, size := in.file, in.size
		in.mu.Unlock()
		if err := in.ensure(ctx, file, 0, size); err != nil {
			return nil, err
		}
	}
	defer in.mu.Unlock()
	if err := in.settle(false); err != nil {
		return nil, err
	}
	in.armed = false
	return in.file, in.r.read(func(t *txn) error {
		now, found, err := t.state(s.entry.ID)
		if err == nil && !found {
			err = fmt.Errorf("%w: removed, or no longer to be sent", errNotYet)
		}
		if err == nil {
			*s = now
		}
		return err
	})
}

// begin goes on with the recorded upload, or asks for a new one and records it. Without a file nothing is deleted to make
// room for it.
func (r *Replica) begin(ctx context.Context, op index.Op, s *entryState, caps remote.Caps, file *content.File) (saga, error) {
	if old, ok := uploadOf(op); ok {
		if old.fits(s) {
			return old, nil
		}
		if err := r.giveUp(op, old); err != nil {
			return saga{}, err
		}
	}
	if limit := s.drop.Remote.MaxFileSize; limit > 0 && s.node.Size > limit {
		return saga{}, &remote.Error{Kind: remote.ErrTooLarge, Op: "upload", Subject: s.want, Message: fmt.Sprintf("the drop takes files of %d bytes at most", limit)}
	}
	spec := remote.UploadSpec{Name: s.want, Type: r.mimeType(s), Size: s.node.Size}
	up, err := r.cfg.Service.StartUpload(ctx, s.drop.Remote.ID, spec)
	if errors.Is(err, remote.ErrQuota) {
		if serr := r.sendDeletes(ctx, s.place.drop); serr != nil {
			return saga{}, errors.Join(err, serr)
		}
		up, err = r.cfg.Service.StartUpload(ctx, s.drop.Remote.ID, spec) // also where another op sent them meanwhile
	}
	if errors.Is(err, remote.ErrQuota) && file != nil {
		if freed, ferr := r.makeRoom(ctx, s, file); ferr != nil || !freed {
			return saga{}, errors.Join(err, ferr)
		}
		up, err = r.cfg.Service.StartUpload(ctx, s.drop.Remote.ID, spec)
	}
	if err != nil {
		return saga{}, err
	}
	former := sagaOf(op)
	sg := saga{Upload: up, Drop: s.place.drop, Chg: s.node.Chg, Renames: former.Renames, RenameTo: former.RenameTo}
	if caps.Replace {
		sg.Replaces, err = r.replacedBy(s)
	}
	if err == nil {
		err = r.saveSaga(op, sg)
	}
	return sg, err
}

// replacedBy finds the asset that the new one takes the place of: of the same name, and known to be ours to delete.
func (r *Replica) replacedBy(s *entryState) (id remote.AssetID, err error) {
	err = r.read(func(t *txn) error {
		named, err := t.AssetsNamed(s.place.drop, s.want)
		for _, a := range named {
			if a.Entry == 0 || a.Entry == s.entry.ID {
				id = a.Remote.ID
			}
		}
		return err
	})
	return id, err
}

// send puts the bytes on the wire, recording each part that arrived.
func (r *Replica) send(ctx context.Context, op index.Op, s *entryState, in *inode, file *content.File, sg *saga) error {
	tr := r.startTransfer(s.entry, true, s.node.Size)
	defer r.endTransfer(tr)
	record := func(up remote.Upload) error {
		sg.Upload = up
		return r.saveSaga(op, *sg)
	}
	up, err := r.cfg.Service.Send(ctx, sg.Upload, &sealedReader{in: in, file: file}, record, tr.add)
	if rewritten := in.rewritten(); rewritten {
		return errRewritten
	}
	if err != nil {
		return err
	}
	sg.Upload, sg.Sent = up, true
	return r.saveSaga(op, *sg)
}

// rewritten tells whether a write came since seal.
func (in *inode) rewritten() bool {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.armed
}

// sealedReader reads a content that is being sent, and fails once it is rewritten.
type sealedReader struct {
	in   *inode
	file *content.File
}

// ReadAt implements io.ReaderAt.
func (s *sealedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.file.ReadAt(p, off)
	if s.in.rewritten() {
		return 0, errRewritten
	}
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// sendDeletes sends the deletes of a drop that are held for undelete: their bytes count as free from the first, and now
// they are needed.
func (r *Replica) sendDeletes(ctx context.Context, drop int64) error {
	var held []index.Op
	err := r.read(func(t *txn) error {
		ops, err := t.Ops()
		for _, op := range ops {
			if op.Kind == index.OpDelete && op.Target == drop {
				held = append(held, op)
			}
		}
		return err
	})
	for _, op := range held {
		if err != nil {
			return err
		}
		err = r.doDelete(ctx, op)
	}
	return err
}

// makeRoom deletes the old version before the new one is sent, where both do not fit the quota. The new content is made
// durable here first, and the journal says what goes.
func (r *Replica) makeRoom(ctx context.Context, s *entryState, file *content.File) (bool, error) {
	victims := s.old
	if s.base != nil {
		victims = append(victims, *s.base)
	}
	if len(victims) == 0 {
		return false, nil
	}
	if err := file.Sync(); err != nil {
		return false, asSpace(err)
	}
	err := r.writeAlways(func(t *txn) error {
		for _, a := range victims {
			if err := t.doomAsset(a, false); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = asKind(r.idx.Flush())
	}
	if err != nil {
		return false, err
	}
	s.base, s.old = nil, nil
	for _, a := range victims {
		r.noteDeleted(a.Drop, a.Remote.ID)
		if err := r.cfg.Service.Delete(ctx, a.Remote.Drop, a.Remote.ID); err != nil && !errors.Is(err, remote.ErrNotFound) {
			return false, err
		}
	}
	return true, nil
}

// mimeAttr is where a user may set the type that an asset is declared with.
const mimeAttr = "user.mime_type"

func (r *Replica) mimeType(s *entryState) string {
	var set []byte
	err := r.read(func(t *txn) (err error) {
		set, _, err = t.Xattr(s.node.Ino, mimeAttr)
		return err
	})
	if err == nil && len(set) > 0 {
		return string(set)
	}
	if t := mime.TypeByExtension(path.Ext(s.entry.Name)); t != "" {
		return t
	}
	return "application/octet-stream"
}
