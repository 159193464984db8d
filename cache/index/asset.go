package index

import (
	"cmp"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"dropfs/remote"
)

// Asset is what the service is known to hold, and which entry it is the copy of.
type Asset struct {
	Drop   int64 // inode of the drop
	Remote remote.Asset
	Entry  int64  // 0: none; a delete is queued
	Chg    int64  // the Node.Chg whose bytes it has
	Old    bool   // replaced; goes once Entry is in step
	Mine   bool   // made by this replica
	Shadow string // the wire name it is shown under, where not its own
}

const assetColumns = "a.drop_ino, a.id, a.wire, a.size, a.type, a.etag, a.md5, a.created, a.seq, a.eid, a.chg, a.old, a.mine, a.shadow, d.id"

const assetFrom = " FROM assets a LEFT JOIN drops d ON d.ino = a.drop_ino "

func scanAsset(s *sqlite.Stmt) Asset {
	return Asset{
		Drop: s.ColumnInt64(0),
		Remote: remote.Asset{
			ID: remote.AssetID(s.ColumnText(1)), Name: s.ColumnText(2), Size: s.ColumnInt64(3), Type: s.ColumnText(4),
			ETag: s.ColumnText(5), MD5: s.ColumnText(6), Created: fromNano(s.ColumnInt64(7)), Seq: s.ColumnInt64(8),
			Drop: remote.DropID(s.ColumnText(14)),
		},
		Entry: s.ColumnInt64(9), Chg: s.ColumnInt64(10), Old: s.ColumnBool(11), Mine: s.ColumnBool(12), Shadow: s.ColumnText(13),
	}
}

func fromNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func toNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func (t *Tx) assets(where string, args ...any) (list []Asset, err error) {
	err = t.rows("SELECT "+assetColumns+assetFrom+where, func(s *sqlite.Stmt) { list = append(list, scanAsset(s)) }, args...)
	return list, err
}

func first(list []Asset, err error) (Asset, bool, error) {
	if err != nil || len(list) == 0 {
		return Asset{}, false, err
	}
	return list[0], true, nil
}

// Asset finds an asset of a drop.
func (t *Tx) Asset(drop int64, id remote.AssetID) (Asset, bool, error) {
	return first(t.assets("WHERE a.drop_ino = ? AND a.id = ?", drop, string(id)))
}

// AssetsOf lists what the service holds for an entry: the present one, where there is one, before the old ones.
func (t *Tx) AssetsOf(eid int64) ([]Asset, error) {
	list, err := t.assets("WHERE a.eid = ?", eid)
	slices.SortFunc(list, func(a, b Asset) int { // by SQL it would be prepared at each call
		if a.Old != b.Old {
			if b.Old {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Remote.ID, b.Remote.ID)
	})
	return list, err
}

// AssetsNamed lists the assets of a drop that have a wire name.
func (t *Tx) AssetsNamed(drop int64, wire string) ([]Asset, error) {
	return t.assets("WHERE a.drop_ino = ? AND a.wire = ?", drop, wire)
}

// AssetsIn lists all assets of a drop.
func (t *Tx) AssetsIn(drop int64) ([]Asset, error) { return t.assets("WHERE a.drop_ino = ?", drop) }

// LastSeqs calls fn with the highest Remote.Seq of each drop's assets.
func (t *Tx) LastSeqs(fn func(drop, seq int64)) error {
	return t.rows("SELECT drop_ino, max(seq) FROM assets GROUP BY drop_ino", func(s *sqlite.Stmt) {
		fn(s.ColumnInt64(0), s.ColumnInt64(1))
	})
}

// AssetsWith lists the present assets of an inode's entries that have the bytes of chg.
func (t *Tx) AssetsWith(ino, chg int64) ([]Asset, error) {
	return t.assets(assetsWith, ino, chg)
}

const assetsWith = "WHERE a.eid IN (SELECT eid FROM entries WHERE ino = ?) AND a.chg = ? AND a.old = 0"

// PutAsset adds or replaces what is known of an asset.
func (t *Tx) PutAsset(a Asset) error {
	_, err := t.exec("INSERT OR REPLACE INTO assets(drop_ino, id, wire, size, type, etag, md5, created, seq, eid, chg, old, mine, shadow) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		a.Drop, string(a.Remote.ID), a.Remote.Name, a.Remote.Size, a.Remote.Type, a.Remote.ETag, a.Remote.MD5,
		toNano(a.Remote.Created), a.Remote.Seq, a.Entry, a.Chg, a.Old, a.Mine, a.Shadow)
	return err
}

// DeleteAsset forgets an asset.
func (t *Tx) DeleteAsset(drop int64, id remote.AssetID) error {
	_, err := t.exec("DELETE FROM assets WHERE drop_ino = ? AND id = ?", drop, string(id))
	return err
}
