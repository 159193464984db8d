package exec_test

import (
	"os"
	"path/filepath"
	"testing"

	"dropfs/convert/exec"
)

func TestSniff(t *testing.T) {
	for _, c := range []struct{ content, as, kind string }{
		{"%PDF-1.7", "pdf", "pdf"},
		{"\x89PNG\r\n\x1a\nxxxx", "png", "png"},
		{"\xff\xd8\xff\xe0", "jpg", "jpg"},
		{"GIF89a", "gif", "gif"},
		{"RIFFxxxxWEBP", "webp", "webp"},
		{"RIFFxxxxWAVE", "wav", "wav"},
		{"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1miaf", "avif", "avif"},
		{"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1heic", "heic", "heic"},
		{"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "mp4", "isom"},
		{"\xff\xff\xff\xffftypmp42", "mp4", "isom"},
		{"\x00\x00\x00\x08wide", "mov", "isom"},
		{"\xff\xfb\x90\x00", "mp3", "mpeg"},
		{"ID3\x04", "mp3", "mpeg"},
		{"{\\rtf1", "rtf", "rtf"},
		{"plain ü", "txt", "text"},
		{"a,b\n", "csv", "text"},
		{"\ufeff <svg xmlns=''>", "svg", "svg"},
		{"<?xml version='1.0'?><!-- x --><svg>", "svg", "svg"},
		{"<!DOCTYPE HTML>", "html", "html"},
		{"<?xml version='1.0'?><!DOCTYPE html><html>", "html", "html"},
		{"<?xml version='1.0'?><office:document>", "odt", ""},
		{"%!PS-Adobe", "pdf", ""},
		{"#EXTM3U", "mp3", ""},
		{"\x00\x01\x02", "x", ""},
		{"\xff", "txt", "text?"},
		{"", "txt", ""},
	} {
		kind, err := exec.Sniff(write(t, "x", []byte(c.content)), c.as)
		if c.kind == "text?" {
			c.kind = kind // cut or broken, either will do
		}
		if err != nil || kind != c.kind {
			t.Errorf("%q is %q, %v; want %q", c.content, kind, err, c.kind)
		}
		if c.kind != "" && c.kind != kind && !exec.Kin(c.as, kind) {
			t.Errorf("%q is no %s", c.content, c.as)
		}
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("%PDF-"))
	f.Add([]byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1miaf"))
	f.Add([]byte("PK\x03\x04\x00\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := exec.Sniff(path, "docx")
		b, err2 := exec.Sniff(path, "docx")
		if a != b || (err == nil) != (err2 == nil) {
			t.Errorf("%q is %q, %v and %q, %v", content, a, err, b, err2)
		}
	})
}
