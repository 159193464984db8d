package sidecar

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"dropfs/remote"
)

// Limits of one record, in bytes.
const (
	MaxPath   = 4096      // of a wire path, an asset's id or a link group
	MaxTarget = 4095      // of a symlink's target
	MaxXattrs = 128 << 10 // of all names and values of extended attributes
	maxXattr  = 255       // of a name
	maxRecord = 512 << 10
	permBits  = 0o1777
)

// Key names what a record is about: an asset (files) or a wire path (directories, symlinks).
type Key string

// AssetKey is the key of a file.
func AssetKey(id remote.AssetID) Key { return Key("a:" + id) }

// PathKey is the key of a directory or a symlink at a wire path.
func PathKey(wire string) Key { return Key("p:" + wire) }

// Asset returns the asset that k names; false: it names a path.
func (k Key) Asset() (remote.AssetID, bool) {
	id, ok := strings.CutPrefix(string(k), "a:")
	return remote.AssetID(id), ok
}

// Path returns the wire path that k names; false: it names an asset.
func (k Key) Path() (string, bool) { return strings.CutPrefix(string(k), "p:") }

// Kind is what an entry is.
type Kind string

// The kinds; nothing else is carried to other machines.
const (
	File    Kind = "f"
	Dir     Kind = "d"
	Symlink Kind = "l"
)

// Record is what is known of one entry. The zero value of a field is its absence.
type Record struct {
	Key     Key
	Kind    Kind
	Mode    uint32 // permission bits and the sticky bit, 0o1777 at most
	Mtime   int64  // Unix ns
	Target  string // symlinks: 1 to MaxTarget bytes without NUL
	Link    string // files: entries of one group are hard links of each other; "" none
	Xattrs  map[string]string
	Gone    bool   // the entry is no more; Kind stays, all else is zero
	Stamp   int64  // hybrid clock, ns; of two records of a key the later one holds
	Replica string // who wrote it; decides between equal stamps
}

// wireRecord is the JSON of a record. Bytes that need not be UTF-8 are in base64.
type wireRecord struct {
	Key     Key         `json:"k"`
	Kind    Kind        `json:"t"`
	Mode    uint32      `json:"m,omitempty"`
	Mtime   int64       `json:"n,omitempty"`
	Target  []byte      `json:"l,omitempty"`
	Link    string      `json:"h,omitempty"`
	Xattrs  []wireXattr `json:"x,omitempty"` // by name, ascending
	Gone    bool        `json:"g,omitempty"`
	Stamp   int64       `json:"s"`
	Replica string      `json:"r"`
}

type wireXattr struct {
	Name  []byte `json:"n"`
	Value []byte `json:"v,omitempty"`
}

// Encode gives the record as JSON, the same bytes for the same record. It is also what an index may keep.
func (r Record) Encode() []byte {
	w := wireRecord{
		Key: r.Key, Kind: r.Kind, Mode: r.Mode, Mtime: r.Mtime, Target: []byte(r.Target), Link: r.Link, Gone: r.Gone,
		Stamp: r.Stamp, Replica: r.Replica,
	}
	for _, name := range slices.Sorted(maps.Keys(r.Xattrs)) {
		w.Xattrs = append(w.Xattrs, wireXattr{[]byte(name), []byte(r.Xattrs[name])})
	}
	b, err := json.Marshal(w)
	if err != nil {
		panic(fmt.Sprintf("sidecar: a record without unmarshalable fields does not marshal: %v", err))
	}
	return b
}

// DecodeRecord reads what Encode gave. An error means that the record breaks a limit or a rule (S3); what it may not
// carry but does no harm without (set-id bits, attributes outside user.*) is left out instead.
func DecodeRecord(b []byte) (Record, error) {
	if len(b) > maxRecord {
		return Record{}, fmt.Errorf("sidecar record: %d bytes", len(b))
	}
	var w wireRecord
	if err := json.Unmarshal(b, &w); err != nil {
		return Record{}, fmt.Errorf("sidecar record: %w", err)
	}
	r := Record{
		Key: w.Key, Kind: w.Kind, Mode: w.Mode & permBits, Mtime: w.Mtime, Target: string(w.Target), Link: w.Link, Gone: w.Gone,
		Stamp: w.Stamp, Replica: w.Replica,
	}
	total := 0
	for _, x := range w.Xattrs {
		name := string(x.Name)
		if !strings.HasPrefix(name, "user.") || len(name) <= len("user.") || len(name) > maxXattr || strings.Contains(name, "\x00") {
			continue
		}
		if total += len(x.Name) + len(x.Value); total > MaxXattrs {
			return Record{}, fmt.Errorf("sidecar record %q: attributes over %d bytes", clip(string(r.Key)), MaxXattrs)
		}
		if r.Xattrs == nil {
			r.Xattrs = map[string]string{}
		}
		r.Xattrs[name] = string(x.Value)
	}
	if r.Gone {
		r = Record{Key: r.Key, Kind: r.Kind, Gone: true, Stamp: r.Stamp, Replica: r.Replica}
	}
	if why := r.wrong(); why != "" {
		return Record{}, fmt.Errorf("sidecar record %q: %s", clip(string(r.Key)), why)
	}
	return r, nil
}

// Check tells why the record must not be written; nil: it may. What Check passes DecodeRecord gives back unchanged.
func (r Record) Check() error {
	if why := r.wrong(); why != "" {
		return fmt.Errorf("sidecar record %q: %s", clip(string(r.Key)), why)
	}
	back, err := DecodeRecord(r.Encode())
	if err != nil {
		return err
	}
	if !bytes.Equal(back.Encode(), r.Encode()) {
		return fmt.Errorf("sidecar record %q: holds what no other machine would take", clip(string(r.Key)))
	}
	return nil
}

// wrong says which rule the record breaks; "" none.
func (r Record) wrong() string {
	id, isAsset := r.Key.Asset()
	path, isPath := r.Key.Path()
	subject := path
	if isAsset {
		subject = string(id)
	}
	switch {
	case !isAsset && !isPath, subject == "", len(subject) > MaxPath, !printable(subject):
		return "no proper key"
	case isPath && (path == dirName || strings.HasPrefix(path, dirName+"/")):
		return "about a sidecar"
	case r.Kind == File && !isAsset, r.Kind != File && !isPath, r.Kind != File && r.Kind != Dir && r.Kind != Symlink:
		return "kind and key do not fit"
	case r.Stamp <= 0:
		return "no stamp"
	case !validReplica(r.Replica):
		return "no proper replica"
	case r.Gone:
		return ""
	case (r.Kind == Symlink) != (r.Target != ""), len(r.Target) > MaxTarget, strings.Contains(r.Target, "\x00"):
		return "no proper target"
	case r.Link != "" && r.Kind != File, len(r.Link) > MaxPath, !printable(r.Link):
		return "no proper link group"
	}
	return ""
}

// printable tells whether s can stand in JSON and in a name: UTF-8 without NUL.
func printable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// clip shortens s for a message.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80]
	}
	return s
}

// Compare orders the records of one key: the greater one holds (S1). It is 0 for equal records only.
func Compare(a, b Record) int {
	if c := cmp.Or(cmp.Compare(a.Stamp, b.Stamp), cmp.Compare(a.Replica, b.Replica)); c != 0 {
		return c
	}
	return bytes.Compare(a.Encode(), b.Encode())
}
