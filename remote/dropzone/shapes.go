package dropzone

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"dropfs/remote"
)

// The shapes of the wire (wire/dropzone.md §3). Every field may be missing, or be a number where a string is expected and
// the other way round; what cannot be read is as if it were missing.

// text is a string, a number, or an id wrapped as {"$oid": ""}.
type text string

// UnmarshalJSON takes what it can.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	if s, ok := plainString(b); ok {
		*t = text(s)
		return nil
	}
	var s string
	var n json.Number
	var o struct {
		OID string `json:"$oid"`
	}
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case json.Unmarshal(b, &n) == nil:
		*t = text(n)
	case json.Unmarshal(b, &o) == nil:
		*t = text(o.OID)
	}
	return nil
}

// plainString returns a JSON string that stands for itself: the most of them do, and a listing has very many.
func plainString(b []byte) (string, bool) {
	if len(b) < 2 || b[0] != '"' || bytes.IndexByte(b, '\\') >= 0 || !utf8.Valid(b) {
		return "", false
	}
	return string(b[1 : len(b)-1]), true
}

// number is a number, also as a string; ok where it could be read.
type number struct {
	v  float64
	ok bool
}

// UnmarshalJSON takes what it can.
func (n *number) UnmarshalJSON(b []byte) error {
	*n = number{}
	s := strings.TrimSpace(strings.Trim(string(b), `"`))
	if v, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
		*n = number{v, true}
	}
	return nil
}

// whole returns the number as a count; ok is false for negatives and what no int64 holds exactly enough.
func (n number) whole() (int64, bool) {
	if !n.ok || n.v < 0 || n.v >= 1<<62 {
		return 0, false
	}
	return int64(n.v), true
}

// instant is ISO-8601, or an epoch in milliseconds or seconds, or {"$date": either}. set where the field was there at all.
type instant struct {
	t   time.Time
	set bool
}

// UnmarshalJSON takes what it can.
func (i *instant) UnmarshalJSON(b []byte) error {
	*i = instant{set: true}
	if bytes.HasPrefix(b, []byte("{")) {
		var wrapped struct {
			Date json.RawMessage `json:"$date"`
		}
		if json.Unmarshal(b, &wrapped) == nil && wrapped.Date != nil {
			b = wrapped.Date
		}
	}
	if s, ok := plainString(b); ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil && t.Year() > 1970 && t.Year() < 10_000 {
			i.t = t.UTC()
			return nil
		}
	}
	var n number
	if n.UnmarshalJSON(b) == nil && n.ok {
		switch {
		case n.v > 1e14:
		case n.v > 1e11:
			i.t = time.UnixMilli(int64(n.v)).UTC()
		case n.v > 1e8:
			i.t = time.Unix(int64(n.v), 0).UTC()
		}
	}
	return nil
}

type wireFile struct {
	ID      text     `json:"_id"`
	ID2     text     `json:"fileId"`
	ID3     text     `json:"id"`
	Name    text     `json:"name"`
	Type    text     `json:"type"`
	Size    number   `json:"size"`
	Created instant  `json:"createdAt"`
	Meta    wireMeta `json:"meta"`
}

type wireMeta struct {
	Created  instant `json:"createdAt"`
	DropID   text    `json:"dropZoneId"`
	S3Status text    `json:"s3Status"`
	Seq      number  `json:"seq"`
	ETag     text    `json:"etag"`
	MD5      text    `json:"md5"`
}

// UnmarshalJSON lets a meta that is no object be none.
func (m *wireMeta) UnmarshalJSON(b []byte) error {
	type plain wireMeta
	*m = wireMeta{}
	if bytes.HasPrefix(b, []byte("{")) {
		return json.Unmarshal(b, (*plain)(m))
	}
	return nil
}

func (f wireFile) id() remote.AssetID { return remote.AssetID(first(f.ID, f.ID2, f.ID3)) }

// uploaded tells whether the bytes have arrived, as far as the service tells.
func (f wireFile) uploaded() bool {
	return f.Meta.S3Status == "" || strings.EqualFold(string(f.Meta.S3Status), "uploaded")
}

// maxName is how many bytes of a name are kept: four times what a service of the hub's kind allows.
const maxName = 16 << 10

// asset maps a file to the domain; ok is false for one that no request could name or that has no size.
func (f wireFile) asset(drop remote.DropID) (remote.Asset, bool) {
	size, ok := f.Size.whole()
	id := f.id()
	if !ok || !validID(string(id)) {
		return remote.Asset{}, false
	}
	seq, _ := f.Meta.Seq.whole()
	name := string(f.Name)
	for len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	a := remote.Asset{
		ID: id, Drop: drop, Name: name, Size: size, Type: string(f.Type), Seq: seq, Created: f.Meta.Created.t,
		ETag: strings.Trim(string(f.Meta.ETag), `"`),
	}
	if a.Created.IsZero() {
		a.Created = f.Created.t
	}
	if md5 := strings.ToLower(string(f.Meta.MD5)); len(md5) == 32 {
		a.MD5 = md5
	}
	if strings.HasPrefix(string(f.Meta.ETag), "W/") || !safeHeader(a.ETag) || strings.Contains(a.ETag, `"`) || len(a.ETag) > 512 {
		a.ETag = ""
	}
	return a, true
}

type wireDrop struct {
	ID          text    `json:"_id"`
	ID2         text    `json:"id"`
	ID3         text    `json:"dropzoneId"`
	Name        text    `json:"name"`
	GB          number  `json:"gb"`
	MaxGB       number  `json:"maxSizeGb"`
	Days        number  `json:"days"`
	MaxDays     number  `json:"maxDurationDays"`
	MaxSize     number  `json:"maxSize"`
	Total       number  `json:"total"`
	MaxFileSize number  `json:"maxFileSize"`
	Used        number  `json:"usedSpace"`
	Used2       number  `json:"used"`
	Created     instant `json:"createdAt"`
	DeleteTime  instant `json:"deleteTime"`
	Expires     instant `json:"expiresAt"`
	WebURL      text    `json:"uploadUrl"` // a page for people (wire/dropzone.md §6)
}

// drop maps a dropzone to the domain; ok is false for one without a usable id.
func (d wireDrop) drop() (remote.Drop, bool) {
	out := remote.Drop{
		ID: remote.DropID(first(d.ID, d.ID2, d.ID3)), Name: string(d.Name), Created: d.Created.t, WebURL: string(d.WebURL),
		GB: max(firstOf(d.GB, d.MaxGB).v, 0),
	}
	out.MaxSize, _ = firstOf(d.MaxSize, d.Total).whole()
	if out.MaxSize == 0 {
		out.MaxSize, _ = number{d.MaxGB.v * 1e9, d.MaxGB.ok}.whole()
	}
	out.MaxFileSize, _ = d.MaxFileSize.whole()
	out.Used, _ = firstOf(d.Used, d.Used2).whole()
	if days, ok := firstOf(d.Days, d.MaxDays).whole(); ok && days < 1e6 {
		out.Days = int(days)
	}
	switch {
	case d.Expires.set: // a hub's word, null included
		out.Expires = d.Expires.t
	case !d.DeleteTime.t.IsZero():
		out.Expires = d.DeleteTime.t
	case !out.Created.IsZero() && out.Days > 0:
		out.Expires = out.Created.Add(time.Duration(out.Days) * 24 * time.Hour)
	}
	return out, validID(string(out.ID))
}

func first(ts ...text) string {
	for _, t := range ts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

func firstOf(ns ...number) number {
	for _, n := range ns {
		if n.ok {
			return n
		}
	}
	return number{}
}

// validName tells whether a name can be sent at all.
func validName(s string) bool {
	return s != "" && len(s) <= 4096 && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
