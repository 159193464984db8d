package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"dropfs/cache/index"
	"dropfs/remote"
)

// saga is how far an upload came, kept with its op. Each step is recorded before the next:
//
//	(no saga)         nothing was asked for; a reservation whose answer was lost ends by itself
//	Upload            the service has made the asset's id; its parts arrive one by one, each recorded
//	Sent or CopyOf    all bytes are there, or in another asset; confirm may have been asked for, and its answer lost
//	(asset recorded)  recordAsset: confirmed, and the saga's end
//	Renames           renames of the asset may have been done, and their answers lost; (asset recorded) ends it too
//
// A restart goes on where the record is: parts that arrived are not sent again, and a confirm is repeated, which answers
// the same asset (remote.Service.Confirm), as is a rename. A merge that meets what was confirmed or renamed records it
// itself (applier.own, ownRename). A saga whose content or name is no longer wanted is given up by dooming its
// asset, whether it was confirmed or not (giveUp).
type saga struct {
	Upload   remote.Upload  `json:"upload"`
	Drop     int64          `json:"drop"`
	Chg      int64          `json:"chg"`
	Sent     bool           `json:"sent,omitempty"`
	Replaces remote.AssetID `json:"replaces,omitempty"`
	CopyOf   remote.AssetID `json:"copy_of,omitempty"` // whose bytes it is to have (copyThere)
	CopyFrom remote.DropID  `json:"copy_from,omitempty"`
	Renames  remote.AssetID `json:"renames,omitempty"`
	RenameTo []string       `json:"rename_to,omitempty"` // all names that were asked for
}

// sagaOf answers the saga of an op, the zero one where it has none.
func sagaOf(op index.Op) (s saga) {
	if op.Saga == nil || json.Unmarshal(op.Saga, &s) != nil {
		return saga{}
	}
	return s
}

// uploadOf answers the saga of an op; ok is false where no upload is under way.
func uploadOf(op index.Op) (s saga, ok bool) {
	s = sagaOf(op)
	return s, s.Upload.ID != ""
}

// mayHaveRenamed tells whether the service may know an asset by another name than is recorded here.
func (sg saga) mayHaveRenamed(a index.Asset) bool {
	return sg.Renames == a.Remote.ID && slices.ContainsFunc(sg.RenameTo, func(name string) bool { return name != a.Remote.Name })
}

// fits tells whether an upload is of the content and the name that s has.
func (sg saga) fits(s *entryState) bool {
	return sg.Chg == s.node.Chg && sg.Drop == s.place.drop && sg.Upload.Spec.Name == s.want && sg.Upload.Spec.Size == s.node.Size
}

// saveSaga records how far an upload or a rename came; an op that is no more ends it.
func (r *Replica) saveSaga(op index.Op, sg saga) error {
	gone := false
	err := r.writeAlways(func(t *txn) error {
		_, found, err := t.Op(op.Seq)
		if err != nil {
			return err
		}
		if !found {
			gone = true
			return t.giveUp(sg)
		}
		return t.setSaga(op.Seq, sg)
	})
	if err == nil && gone {
		err = fmt.Errorf("%w: deleted while it was sent", context.Canceled)
	}
	return err
}

// setSaga stores a saga with its op; one that says nothing is none.
func (t *txn) setSaga(seq int64, sg saga) error {
	if sg.Upload.ID == "" && sg.Renames == "" {
		return t.SetSaga(seq, nil)
	}
	text, err := json.Marshal(sg)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIO, err)
	}
	return t.SetSaga(seq, text)
}

// giveUp ends an upload that is no longer wanted: its asset is deleted, confirmed or not.
func (r *Replica) giveUp(op index.Op, sg saga) error {
	return r.writeAlways(func(t *txn) error {
		if err := t.giveUp(sg); err != nil {
			return err
		}
		return t.setSaga(op.Seq, saga{Renames: sg.Renames, RenameTo: sg.RenameTo})
	})
}

// giveUp dooms the asset of an upload, unless it is known: then its entry decides.
func (t *txn) giveUp(sg saga) error {
	if sg.Upload.ID == "" {
		return nil
	}
	_, known, err := t.Asset(sg.Drop, sg.Upload.ID)
	if err != nil || known {
		return err
	}
	a := index.Asset{Drop: sg.Drop, Remote: remote.Asset{ID: sg.Upload.ID, Name: sg.Upload.Spec.Name, Size: sg.Upload.Spec.Size}}
	return t.doomAsset(a, false)
}

// endSaga gives up what an op that ends has still under way.
func (t *txn) endSaga(seq int64) error {
	op, found, err := t.Op(seq)
	if err != nil || !found {
		return err
	}
	return t.giveUp(sagaOf(op))
}
