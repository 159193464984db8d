package dropzone

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dropfs/remote"
)

var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestFileShapes(t *testing.T) {
	want := remote.Asset{ID: "f1", Drop: "d", Name: "a.txt", Size: 5, Type: "text/plain", Created: created}
	with := func(fn func(*remote.Asset)) remote.Asset { a := want; fn(&a); return a }
	for _, tt := range []struct {
		name, in string
		want     remote.Asset
		bad      bool
	}{
		{"bare", `{"_id":"f1","size":5,"type":"text/plain","name":"a.txt","meta":{"dropZoneCode":"c","createdAt":"2026-01-02T03:04:05.000Z","dropZoneId":"d","s3Status":"uploaded"}}`, want, false},
		{"enveloped", `{"status":"success","data":{"_id":"f1","size":5,"type":"text/plain","name":"a.txt","meta":{"createdAt":"2026-01-02T03:04:05Z"}}}`, want, false},
		{"both", `{"_id":"f1","size":5,"name":"x","status":"success","data":{"_id":"f1","size":5,"type":"text/plain","name":"a.txt","createdAt":1767323045000}}`, want, false},
		{"aliases, numbers as text", `{"fileId":"f1","size":"5","type":"text/plain","name":"a.txt","createdAt":"1767323045"}`, want, false},
		{"wrapped by Mongo", `{"_id":{"$oid":"f1"},"size":5.0,"type":"text/plain","name":"a.txt","createdAt":{"$date":1767323045000}}`, want, false},
		{"no meta", `{"id":"f1","size":5,"type":"text/plain","name":"a.txt","meta":null,"createdAt":"2026-01-02T03:04:05Z"}`, want, false},
		{"odd meta", `{"id":"f1","size":5,"type":"text/plain","name":"a.txt","meta":"x","createdAt":"2026-01-02T03:04:05Z"}`, want, false},
		{"name is a number", `{"id":"f1","size":5,"type":"text/plain","name":7,"createdAt":"2026-01-02T03:04:05Z"}`, with(func(a *remote.Asset) { a.Name = "7" }), false},
		{
			"a hub's", `{"_id":"f1","size":5,"type":"text/plain","name":"a.txt","meta":{"createdAt":"2026-01-02T03:04:05Z","seq":9,"etag":"\"e-1\"","md5":"0123456789ABCDEF0123456789abcdef"}}`,
			with(func(a *remote.Asset) { a.Seq, a.ETag, a.MD5 = 9, "e-1", "0123456789abcdef0123456789abcdef" }), false,
		},
		{"weak validator", `{"_id":"f1","size":5,"type":"text/plain","name":"a.txt","meta":{"createdAt":"2026-01-02T03:04:05Z","etag":"W/\"e\""}}`, want, false},
		{"validator with a line break", `{"_id":"f1","size":5,"type":"text/plain","name":"a.txt","meta":{"createdAt":"2026-01-02T03:04:05Z","etag":"e\r\nx: y"}}`, want, false},
		{"no id", `{"size":5,"name":"a"}`, remote.Asset{}, true},
		{"an id that climbs", `{"_id":"..","size":5,"name":"a"}`, remote.Asset{}, true},
		{"no size", `{"_id":"f1","name":"a"}`, remote.Asset{}, true},
		{"negative size", `{"_id":"f1","name":"a","size":-1}`, remote.Asset{}, true},
		{"huge size", `{"_id":"f1","name":"a","size":1e300}`, remote.Asset{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w wireFile
			if err := decodeOne(&w)(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			got, ok := w.asset("d")
			if ok == tt.bad || got != tt.want {
				t.Errorf("got  %+v, %v\nwant %+v", got, ok, tt.want)
			}
		})
	}
}

func TestDropShapes(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     remote.Drop
	}{
		{
			"documented", `{"status":"success","data":{"_id":"d1","tier":"t","hidden":false,"createdAt":"2026-01-02T03:04:05Z","updatedAt":"x","code":"c","maxDuration":7776000000,"maxSize":1000000000,"maxFileSize":500,"usedSpace":7,"deleteTime":1775099045000,"uploadUrl":"https://h/c","maxSizeGb":1,"maxDurationDays":90}}`,
			remote.Drop{ID: "d1", Created: created, Expires: created.Add(90 * 24 * time.Hour), GB: 1, Days: 90, MaxSize: 1e9, MaxFileSize: 500, Used: 7, WebURL: "https://h/c"},
		},
		{"without an end", `{"_id":"d1","createdAt":"2026-01-02T03:04:05Z","maxDurationDays":90}`, remote.Drop{ID: "d1", Created: created, Expires: created.Add(90 * 24 * time.Hour), Days: 90}},
		{"a length where an instant is expected", `{"_id":"d1","createdAt":"2026-01-02T03:04:05Z","days":1,"deleteTime":86400}`, remote.Drop{ID: "d1", Created: created, Expires: created.Add(24 * time.Hour), Days: 1}},
		{"a hub's that never ends", `{"_id":"d1","name":"n","gb":2,"days":30,"createdAt":"2026-01-02T03:04:05Z","expiresAt":null,"deleteTime":1775099045000}`, remote.Drop{ID: "d1", Name: "n", Created: created, GB: 2, Days: 30}},
		{"aliases", `{"id":"d1","total":"5","used":"3","maxSizeGb":"0.5"}`, remote.Drop{ID: "d1", MaxSize: 5, Used: 3, GB: 0.5}},
		{"size only in GB", `{"id":"d1","maxSizeGb":0.2}`, remote.Drop{ID: "d1", GB: 0.2, MaxSize: 2e8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w wireDrop
			if err := decodeOne(&w)(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if got, ok := w.drop(); !ok || got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestD2ListsAreWholeOrAnError cuts a list at every byte: no prefix of it may pass for a list.
func TestD2ListsAreWholeOrAnError(t *testing.T) {
	list := func(in string) (ids []string, err error) {
		err = decodeList(func() { ids = nil }, func(w wireFile) { ids = append(ids, string(w.id())) })(strings.NewReader(in))
		return ids, err
	}
	for _, tt := range []struct{ name, in, want string }{
		{"bare", `[{"_id":"a"},{"_id":"b"}]`, "a b"},
		{"enveloped", `{"status":"success","data":[{"_id":"a"},{"_id":"b"}]}`, "a b"},
		{"status last", `{"data":[{"_id":"a"},{"_id":"b"}],"status":"success","more":{"data":[1]}}`, "a b"},
		{"inside data", `{"data":{"total":2,"files":[{"_id":"a"},{"_id":"b"}]}}`, "a b"},
		{"foreign elements", `{"data":[1,null,"x",{"_id":"a"},[{"_id":"x"}],{"_id":"b"}]}`, " a b"},
		{"empty", `{"data":[]}`, ""},
		{"no list", `{"status":"success","data":{}}`, "error"},
		{"null", `{"data":null}`, "error"},
		{"nothing", `null`, "error"},
		{"a text", `"files"`, "error"},
		{"an error", `{"status":"error","message":"x"}`, "error"},
		{"a list of something else", `{"status":"success","errors":[]}`, "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ids, err := list(tt.in)
			if got := strings.Join(ids, " "); (err != nil) != (tt.want == "error") || err == nil && strings.TrimLeft(got, " ") != strings.TrimLeft(tt.want, " ") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			for i := range len(tt.in) {
				if ids, err := list(tt.in[:i]); err == nil {
					t.Errorf("the first %d bytes pass for a list of %v", i, ids)
				}
			}
		})
	}
}

func TestUploadShapes(t *testing.T) {
	c, err := New(Config{BaseURL: "https://h.example/api/v1", UploadHeader: map[string]string{"x-amz-acl": "private"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, in string
		ok       bool
		url      remote.Secret
		parts    int
	}{
		{"documented", `{"fileId":"f","signedUrl":"https://s3/x?sig"}`, true, "https://s3/x?sig", 0},
		{"aliases", `{"_id":"f","uploadUrl":"https://s3/x"}`, true, "https://s3/x", 0},
		{"on the same server", `{"id":"f","url":"/put/x?sig"}`, true, "https://h.example/put/x?sig", 0},
		{"no id", `{"signedUrl":"https://s3/x"}`, false, "", 0},
		{"no URL", `{"fileId":"f"}`, false, "", 0},
		{"no web address", `{"fileId":"f","signedUrl":"file:///etc/passwd"}`, false, "", 0},
		{"parts", `{"fileId":"f","partSize":60,"uploadId":"u","parts":[{"partNumber":2,"signedUrl":"https://s3/2"},{"partNumber":1,"etag":"e"}]}`, true, "", 2},
		{"a part twice", `{"fileId":"f","partSize":60,"parts":[{"partNumber":1,"signedUrl":"https://s3/2"},{"partNumber":1,"signedUrl":"https://s3/1"}]}`, false, "", 0},
		{"too few parts", `{"fileId":"f","partSize":60,"parts":[{"partNumber":1,"signedUrl":"https://s3/2"}]}`, false, "", 0},
		{"parts of nothing", `{"fileId":"f","partSize":0,"parts":[{"partNumber":1,"signedUrl":"https://s3/2"}]}`, false, "", 0},
		{"a part without URL", `{"fileId":"f","partSize":60,"parts":[{"partNumber":1},{"partNumber":2}]}`, false, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w wireUpload
			if err := decodeOne(&w)(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			up := remote.Upload{Spec: remote.UploadSpec{Size: 100}}
			if ok := c.fill(&up, w); ok != tt.ok {
				t.Fatalf("usable: %v, want %v", ok, tt.ok)
			}
			if tt.ok && (up.ID != "f" || up.URL != tt.url || len(up.Parts) != tt.parts || up.Header["x-amz-acl"] != "private") {
				t.Errorf("got %+v", up)
			}
		})
	}
}

func events(in string) (string, error) {
	var out []string
	err := readEvents(strings.NewReader(in), 5, func(c remote.Change) error {
		out = append(out, fmt.Sprintf("%d %s %s%s%s", c.Seq, c.Kind, c.Asset.ID, c.Replaces, c.DropInfo.ID))
		return nil
	})
	return strings.Join(out, ", "), err
}

func TestEvents(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"asset", "id: 6\nevent: asset\ndata: {\"seq\":6,\"kind\":\"asset\",\"dropzoneId\":\"d\",\"file\":{\"_id\":\"f\",\"size\":1},\"replaces\":\"o\"}\n\n", "6 asset fo"},
		{"gone, CR LF", "id: 6\r\nevent: asset.gone\r\ndata: {\"fileId\":\"f\",\"dropzoneId\":\"d\"}\r\n\r\n", "6 asset.gone f"},
		{"drop", "event: drop\ndata: {\"seq\":7,\ndata: \"dropzone\":{\"_id\":\"d\"}}\n\n", "7 drop d"},
		{"drop gone", "event: drop.gone\ndata: {\"seq\":7,\"dropzoneId\":\"d\"}\n\n", "7 drop.gone "},
		{"reset goes back", "id: 2\nevent: reset\ndata: {\"seq\":2}\n\n: beat\n\n", "2 reset , 2 alive "},
		{"comment", ": beat\n\n", "5 alive "},
		{"unknown kind", "id: 9\nevent: news\ndata: {}\n\n", "9 reset "},
		{"broken data", "id: 9\nevent: asset\ndata: {\n\n", "9 reset "},
		{"asset without id", "id: 9\nevent: asset\ndata: {\"file\":{\"size\":1}}\n\n", "9 reset "},
		{"cut short", "id: 9\nevent: reset\ndata: {}\n", ""},
		{"empty event", "id: 9\n\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := events(tt.in)
			if got != tt.want || !errors.Is(err, errFeedEnd) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	if _, err := events("data: " + strings.Repeat("x", 2*maxEventSize) + "\n\n"); !errors.Is(err, errEvent) {
		t.Errorf("an endless line: %v", err)
	}
	if _, err := events(strings.Repeat("data: xxxxxxxxxxxxxxx\n", maxEventSize/16)); !errors.Is(err, errEvent) {
		t.Errorf("an endless event: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"generation":  {Generation: "g9"},
		"credentials": {Credentials: "cookie"},
		"download":    {Download: "torrent"},
		"route":       {Routes: map[Op]string{OpList: "files"}},
		"key":         {Key: "a\nb"},
	} {
		cfg.BaseURL = "https://h/api/v1"
		if _, err := New(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestRoutesAndCredentials(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		op   Op
		want string
	}{
		{"g3 list", Config{Generation: G3}, OpList, "GET /dropzones/d%2F1/files key"},
		{"g2 list", Config{Generation: G2}, OpList, "GET /files drop"},
		{"g1 list", Config{Generation: G1}, OpList, "GET /dropzones/d%2F1/files "},
		{"auto list", Config{}, OpList, "GET /dropzones/d%2F1/files key+drop"},
		{"g1 request", Config{Generation: G1}, OpRequest, "POST /dropzones/d%2F1/upload/request "},
		{"g1 delete", Config{Generation: G1}, OpDelete, "DELETE /dropzones/d%2F1/files/f%3F1 "},
		{"g2 create", Config{Generation: G2}, OpCreate, "POST /dropzones key"},
		{"g2 confirm", Config{Generation: G2}, OpConfirm, "POST /files/f%3F1/confirm drop"},
		{"g3, both", Config{Generation: G3, Credentials: Both}, OpFile, "GET /files/f%3F1 key+drop"},
		{"replaced", Config{Generation: G3, Routes: map[Op]string{OpUpdate: "PATCH /dropzone/{drop}/extend"}}, OpUpdate, "PATCH /dropzone/d%2F1/extend key"},
		{"abilities", Config{}, OpAbilities, "OPTIONS /dropzones drop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.BaseURL, tt.cfg.Key, tt.cfg.KeyHeader, tt.cfg.DropHeader = "https://h/api", "k", "X-K", "X-D"
			c, err := New(tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.request("d/1", "f?1", tt.op)
			if err != nil {
				t.Fatal(err)
			}
			var who []string
			if r.Auth["X-K"] == "k" {
				who = append(who, "key")
			}
			if r.Auth["X-D"] == "d/1" {
				who = append(who, "drop")
			}
			if got := r.Method + " " + r.Path + " " + strings.Join(who, "+"); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	c, err := New(Config{BaseURL: "https://h/api"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []remote.AssetID{"", ".", "..", "a\r\nb", "a\x00", "\xff", remote.AssetID(strings.Repeat("x", 600))} {
		if _, err := c.request("d", id, OpFile); !errors.Is(err, remote.ErrInvalid) {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"_id":"f1","size":"5","name":"a","meta":{"seq":1e3,"etag":"\"x\"","createdAt":{"$date":5}}}}`))
	f.Add([]byte(`{"_id":{"$oid":1},"size":1e19,"meta":[],"name":null}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var w wireFile
		if decodeOne(&w)(strings.NewReader(string(in))) != nil {
			return
		}
		a, ok := w.asset("d")
		if !ok {
			return
		}
		if !validID(string(a.ID)) || a.Size < 0 || a.Seq < 0 || len(a.Name) > maxName || !utf8.ValidString(a.Name) || !safeHeader(a.ETag) {
			t.Fatalf("%s gives %+v", in, a)
		}
		// What was understood is understood again when it is written plainly.
		plain, err := json.Marshal(map[string]any{
			"_id": a.ID, "size": a.Size, "name": a.Name, "type": a.Type,
			"meta": map[string]any{"seq": a.Seq, "etag": a.ETag, "md5": a.MD5, "createdAt": a.Created},
		})
		if err != nil {
			return // an instant that JSON cannot hold
		}
		var v wireFile
		if err := decodeOne(&v)(strings.NewReader(string(plain))); err != nil {
			t.Fatal(err)
		}
		b, ok := v.asset("d")
		a.Created, b.Created = time.Time{}, time.Time{}
		if !ok || a != b {
			t.Fatalf("%+v comes back as %+v", a, b)
		}
	})
}

func FuzzDrop(f *testing.F) {
	f.Add([]byte(`{"data":{"_id":"d","gb":"1","days":1e9,"createdAt":1767323045000,"deleteTime":-5,"maxSize":-1}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var w wireDrop
		if decodeOne(&w)(strings.NewReader(string(in))) != nil {
			return
		}
		d, ok := w.drop()
		if ok && (d.MaxSize < 0 || d.Used < 0 || d.MaxFileSize < 0 || d.Days < 0 || d.GB < 0 || !validID(string(d.ID))) {
			t.Fatalf("%s gives %+v", in, d)
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":[{"_id":"a","size":1}]}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, in []byte) {
		n := 0
		err := decodeList(func() { n = 0 }, func(wireFile) { n++ })(strings.NewReader(string(in)))
		if err == nil && !strings.Contains(string(in), "[") {
			t.Fatalf("%q passes for a list", in)
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add("id: 6\nevent: asset\ndata: {\"seq\":6,\"file\":{\"_id\":\"f\",\"size\":1}}\n\n: x\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		err := readEvents(strings.NewReader(in), 5, func(c remote.Change) error {
			if c.Seq < 0 || c.Kind == "" {
				t.Fatalf("%q gives %+v", in, c)
			}
			if c.Kind == remote.ChangeAsset && !validID(string(c.Asset.ID)) {
				t.Fatalf("%q gives %+v", in, c)
			}
			return nil
		})
		if err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("the feed ends with %v", err)
		}
	})
}
