package store

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfirmD3: what was listed before the confirmation may have been sent again since; a file is never confirmed with
// an object that is garbage.
func TestConfirmD3(t *testing.T) {
	for _, c := range []struct {
		name   string
		parts  int
		again  int  // the part that is sent again after the parts were listed; 0 none
		second bool // another confirmation came first
		want   error
	}{
		{"one", 1, 0, false, nil},
		{"three", 3, 0, false, nil},
		{"one, sent again", 1, 1, false, ErrChanged},
		{"three, one of them sent again", 3, 2, false, ErrChanged},
		{"one, twice", 1, 0, true, nil},
		{"three, twice", 3, 0, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "db"))
			defer func() { _ = s.Close() }()
			if err := s.PrepareD3(t.Context()); err != nil {
				t.Fatal(err)
			}
			f, err := s.AddD3File(t.Context(), D3File{Parts: c.parts, Size: int64(c.parts), UploadID: "u", Expires: s.now().Add(1e12)})
			if err != nil {
				t.Fatal(err)
			}
			send := func(key string, n int, arrives bool) {
				t.Helper()
				o := D3Object{Key: key, File: f.ID, N: n, Size: 1, ETag: "e"}
				if err := s.AddD3Object(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				if !arrives {
					return
				}
				if err := s.D3Arrived(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			for n := range c.parts {
				send("old"+strings.Repeat("x", n), n+1, true)
			}
			send("broken off", 1, false)
			listed, err := s.D3Objects(t.Context(), f.ID)
			if err != nil || len(listed) != c.parts {
				t.Fatal(listed, err)
			}
			if c.again > 0 {
				send("new", c.again, true)
			}
			if c.second {
				if _, err := s.ConfirmD3(t.Context(), f.ID, listed, f.Expires); err != nil {
					t.Fatal(err)
				}
			}
			got, err := s.ConfirmD3(t.Context(), f.ID, listed, f.Expires)
			if !errors.Is(err, c.want) || got.Ready() != (c.want == nil) {
				t.Fatal(got, err)
			}
			if c.want != nil {
				return
			}
			garbage, err := s.Garbage(t.Context(), 100)
			if err != nil || len(garbage) != 1 {
				t.Error(garbage, err)
			}
			if left, err := s.D3Objects(t.Context(), f.ID); err != nil || len(left) != c.parts || left[0].Key != got.Obj {
				t.Error(left, err)
			}
		})
	}
}
