package exec_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"testing"

	"dropfs/convert"
)

// photo is a PNG that runs from black to red.
func photo(t *testing.T, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{R: uint8(x * 255 / w), G: 10, B: 10, A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPictures(t *testing.T) {
	vips := engine(t, "vips")
	source := write(t, "photo.png", photo(t, 400, 200))
	for _, c := range []struct{ step, size string }{
		{"@jpg", "400x200"},
		{"@jpg,width=100,quality=50", "100x50"},
		{"@webp,height=100", "200x100"},
		{"@avif,width=5000", "400x200"},
		{"@jxl", "400x200"},
		{"@tiff,w=100,h=100,strip=yes", "100x50"},
		{"@gif", "400x200"},
		{"@thumb", "256x128"},
		{"@thumb,width=64,format=webp", "64x32"},
	} {
		t.Run(c.step, func(t *testing.T) {
			out := make1(t, vips, source, c.step)
			if ext := filepath.Ext(out); ext != ".png" { // back again, so that it is read by other code than what wrote it
				out = make1(t, vips, out, "@png")
			}
			m := picture(t, out)
			if got := fmt.Sprintf("%dx%d", m.Bounds().Dx(), m.Bounds().Dy()); got != c.size {
				t.Errorf("it is %s, want %s", got, c.size)
			}
			left, _, _, _ := m.At(1, 1).RGBA()
			right, _, _, _ := m.At(m.Bounds().Dx()-2, 1).RGBA()
			if left > 0x3000 || right < 0xc000 {
				t.Errorf("it runs from %x to %x", left, right)
			}
		})
	}
	t.Run("heic", func(t *testing.T) {
		heic := filepath.Join(t.TempDir(), "photo.heic")
		tool(t, "vips", "copy", source, heic)
		if m := picture(t, make1(t, vips, heic, "@jpg")); m.Bounds().Dx() != 400 {
			t.Errorf("it is %v", m.Bounds())
		}
	})
	j := job(t, vips, source, "@jpg")
	j.Limits.MaxPixels = 1000
	if err := vips.Run(t.Context(), j); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("too many pixels: %v", err)
	}
}

func TestDrawings(t *testing.T) {
	rsvg := engine(t, "rsvg")
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><circle cx="20" cy="10" r="5" fill="red"/><text y="18">word</text></svg>`
	source := write(t, "x.svg", []byte(svg))
	for step, size := range map[string]string{"@png": "40x20", "@png,width=80": "80x40", "@png,w=80,h=20,bg=white": "40x20"} {
		m := picture(t, make1(t, rsvg, source, step))
		if got := fmt.Sprintf("%dx%d", m.Bounds().Dx(), m.Bounds().Dy()); got != size {
			t.Errorf("%s is %s, want %s", step, got, size)
		}
		if r, g, _, _ := m.At(m.Bounds().Dx()/2, m.Bounds().Dy()/2).RGBA(); r < 0xf000 || g > 0x1000 {
			t.Errorf("%s has no red in its middle", step)
		}
	}
	wantWords(t, make1(t, rsvg, source, "@pdf"), "word")
	if err := rsvg.Run(t.Context(), job(t, rsvg, source, "@png,bg=url(x)")); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("a background that is no colour: %v", err)
	}
}
