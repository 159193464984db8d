package images

import (
	"bufio"
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"testing"

	"dropfs/convert"
	"dropfs/convert/magic"
)

func FuzzAbout(f *testing.F) {
	f.Add("jpg", []byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II\x2a\x00\x08\x00\x00\x00"))
	f.Add("png", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x04eXIfMM\x00\x2a"))
	f.Add("webp", []byte("RIFF\x10\x00\x00\x00WEBPEXIF\x04\x00\x00\x00II\x2a\x00"))
	f.Add("tiff", []byte("II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, ext string, b []byte) {
		if o := about(ext, bytes.NewReader(b)).orientation; o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}

// What the decoder takes must not have more frames than were counted before.
func FuzzScanGIF(f *testing.F) {
	pal := color.Palette{color.Black, color.White}
	var b bytes.Buffer
	frame := image.NewPaletted(image.Rect(0, 0, 4, 4), pal)
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r := scanGIF(bufio.NewReader(bytes.NewReader(b)))
		if r.pixels > 1e6 || len(b) > 10 && (b[7] != 0 || b[9] != 0) {
			return
		}
		g, err := gif.DecodeAll(bytes.NewReader(b))
		if err == nil && int64(len(g.Image)) != r.frames {
			t.Errorf("%d frames, %d were counted", len(g.Image), r.frames)
		}
	})
}

// Whatever a file holds, the result is a picture or an error of a kind.
func FuzzRun(f *testing.F) {
	pal := color.Palette{color.Black, color.White}
	var b bytes.Buffer
	if err := gif.Encode(&b, image.NewPaletted(image.Rect(0, 0, 4, 4), pal), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("BM"))
	f.Add([]byte("II\x2a\x00\x08\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		in := filepath.Join(dir, "in")
		if err := os.WriteFile(in, b, 0o600); err != nil {
			t.Fatal(err)
		}
		job := convert.Job{
			Step: magic.Step{Op: "png"}, Sources: []convert.Source{{Path: in}}, Dir: dir, Out: filepath.Join(dir, "out"),
			Limits: convert.Limits{MaxPixels: 1 << 16},
		}
		err := New().Run(t.Context(), job)
		if k := convert.KindOf(err); err != nil && k != convert.ErrBroken && k != convert.ErrTooLarge {
			t.Errorf("%v", err)
		}
	})
}
