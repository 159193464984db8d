package dropzone

import (
	"net/http"
	"time"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// isoTime is how the wire writes an instant.
const isoTime = "2006-01-02T15:04:05.000Z"

func iso(t time.Time) string { return t.UTC().Format(isoTime) }

// dropzoneJSON is wire/dropzone.md §3, with our own fields at the end.
type dropzoneJSON struct {
	ID              string  `json:"_id"`
	Tier            string  `json:"tier"`
	Hidden          bool    `json:"hidden"`
	CreatedAt       string  `json:"createdAt"`
	UpdatedAt       string  `json:"updatedAt"`
	Code            string  `json:"code"`
	MaxDuration     int64   `json:"maxDuration"` // ms
	MaxSize         int64   `json:"maxSize"`     // bytes
	MaxFileSize     int64   `json:"maxFileSize"` // bytes
	UsedSpace       int64   `json:"usedSpace"`   // bytes
	DeleteTime      *int64  `json:"deleteTime"`  // ms since 1970; null: never
	UploadURL       string  `json:"uploadUrl"`
	MaxSizeGB       float64 `json:"maxSizeGb"`
	MaxDurationDays int     `json:"maxDurationDays"`

	Name      string  `json:"name"`
	GB        float64 `json:"gb"`
	Days      int     `json:"days"`
	ExpiresAt *string `json:"expiresAt"` // null: never
	Seq       int64   `json:"seq"`
}

// endlessDays stands where a dropzone without end needs a number: a client that adds it to createdAt is still right for
// a century.
const endlessDays = 36500

// dropzone gives d its wire shape; free is what the disk still holds, for a dropzone as large as the disk.
func dropzone(d store.Drop, base string, free int64) dropzoneJSON {
	j := dropzoneJSON{
		ID: d.ID, Tier: "standard", CreatedAt: iso(d.Created), UpdatedAt: iso(d.Updated), Code: d.Code,
		MaxSize: d.MaxSize, UsedSpace: d.Used, UploadURL: base + "/d/" + d.Code, Name: d.Name,
		GB: float64(d.GBMilli) / 1000, Days: d.Days, MaxDurationDays: d.Days, Seq: d.Seq,
	}
	if d.Embedded {
		j.Tier = "embedded"
	}
	if d.MaxSize == 0 {
		j.MaxSize = d.Used + free
	}
	j.MaxFileSize = j.MaxSize
	j.MaxSizeGB = float64(j.MaxSize/1_000_000) / 1000
	if d.Expires.IsZero() {
		j.MaxDurationDays = endlessDays
	} else {
		ms, at := d.Expires.UnixMilli(), iso(d.Expires)
		j.DeleteTime, j.ExpiresAt = &ms, &at
	}
	j.MaxDuration = int64(j.MaxDurationDays) * 24 * time.Hour.Milliseconds()
	return j
}

// fileJSON is a FileItem of wire/dropzone.md §3, with our own fields in meta.
type fileJSON struct {
	ID   string   `json:"_id"`
	Size int64    `json:"size"`
	Type string   `json:"type"`
	Name string   `json:"name"`
	Meta fileMeta `json:"meta"`
}

type fileMeta struct {
	DropZoneCode string `json:"dropZoneCode"`
	CreatedAt    string `json:"createdAt"`
	DropZoneID   string `json:"dropZoneId"`
	S3Status     string `json:"s3Status"` // uploaded | pending
	Seq          int64  `json:"seq"`
	ETag         string `json:"etag"`
	MD5          string `json:"md5"`
}

func fileItem(f store.File) fileJSON {
	j := fileJSON{ID: f.ID, Size: f.Size, Type: f.Type, Name: f.Name, Meta: fileMeta{
		DropZoneCode: f.DropCode, CreatedAt: iso(f.Created), DropZoneID: f.Drop, S3Status: "uploaded",
		Seq: f.Seq, ETag: f.ETag, MD5: f.MD5,
	}}
	if f.Pending() {
		j.Meta.S3Status = "pending"
	}
	return j
}

// success answers v, an object, in both envelopes (D1).
func success(w http.ResponseWriter, v any) error {
	data := web.Marshal(v)
	out := append([]byte(`{"status":"success","data":`), data...)
	if len(data) > 2 && data[0] == '{' {
		out = append(append(out, ','), data[1:]...)
	} else {
		out = append(out, '}')
	}
	w.Header().Set("Cache-Control", "no-store")
	web.WriteRaw(w, http.StatusOK, out)
	return nil
}

// done answers that something was done which leaves nothing to show.
func done(w http.ResponseWriter, message string) error {
	web.WriteJSON(w, http.StatusOK, struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}{"success", message})
	return nil
}
