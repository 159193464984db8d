package images_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/HugoSmits86/nativewebp"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/convert/native/images"
)

var formats = []string{"png", "jpg", "gif", "bmp", "tiff", "webp"}

// run does what stands behind a base to a file with the bytes of src, by way of the registry.
func run(ctx context.Context, t testing.TB, rest, ext string, src []byte, l convert.Limits) ([]byte, error) {
	t.Helper()
	p, err := magic.Parse(rest, ext)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := convert.NewRegistry(images.New()).Plan(p.Steps[0], ext, false)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(t.TempDir(), "in."+ext)
	if err := os.WriteFile(path, src, 0o400); err != nil {
		t.Fatal(err)
	}
	task := convert.Task{Step: p.Steps[0], Limits: l, Sources: []convert.Source{{Path: path, Name: "in." + ext, Ext: ext, Size: int64(len(src))}}}
	out, err := plan.Run(ctx, task, t.TempDir())
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b, nil
}

func must(t testing.TB, rest, ext string, src []byte) []byte {
	t.Helper()
	b, err := run(t.Context(), t, rest, ext, src, convert.Limits{})
	if err != nil {
		t.Fatalf("%s of %s: %v", rest, ext, err)
	}
	return b
}

// decode reads a picture that must be of a format.
func decode(t testing.TB, ext string, b []byte) image.Image {
	t.Helper()
	f := map[string]func(r *bytes.Reader) (image.Image, error){
		"png":  func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
		"jpg":  func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
		"gif":  func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) },
		"bmp":  func(r *bytes.Reader) (image.Image, error) { return bmp.Decode(r) },
		"tiff": func(r *bytes.Reader) (image.Image, error) { return tiff.Decode(r) },
		"webp": func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) },
	}[ext]
	img, err := f(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%d bytes are no %s: %v", len(b), ext, err)
	}
	return img
}

func encode(t testing.TB, ext string, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch ext {
	case "png":
		err = png.Encode(&b, img)
	case "jpg":
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 95})
	case "gif":
		p := image.NewPaletted(img.Bounds(), append(color.Palette{red, green, blue, white, none}, palette.WebSafe...))
		draw.Draw(p, p.Rect, img, image.Point{}, draw.Src) // the nearest, not dithered
		err = gif.Encode(&b, p, nil)
	case "bmp":
		err = bmp.Encode(&b, img)
	case "tiff":
		err = tiff.Encode(&b, img, nil)
	case "webp":
		err = nativewebp.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var (
	red   = color.NRGBA{220, 20, 20, 255}
	green = color.NRGBA{20, 200, 20, 255}
	blue  = color.NRGBA{20, 20, 220, 255}
	white = color.NRGBA{255, 255, 255, 255}
	none  = color.NRGBA{}
)

// quarters is a picture of four colours: upper left, upper right, lower left, lower right.
func quarters(w, h int, c ...color.NRGBA) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, c[y*2/h*2+x*2/w])
		}
	}
	return img
}

// corners answers the colours in the middle of the quarters.
func corners(img image.Image) [4]color.NRGBA {
	b := img.Bounds()
	var out [4]color.NRGBA
	for i := range out {
		x, y := b.Min.X+b.Dx()/4+i%2*b.Dx()/2, b.Min.Y+b.Dy()/4+i/2*b.Dy()/2
		out[i], _ = color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
	}
	return out
}

// near tells whether two colours are about the same.
func near(a, b color.NRGBA) bool {
	d := func(x, y uint8) bool { return max(x, y)-min(x, y) <= 12 }
	if a.A == 0 && b.A == 0 {
		return true
	}
	return d(a.R, b.R) && d(a.G, b.G) && d(a.B, b.B) && d(a.A, b.A)
}

func wantCorners(t testing.TB, img image.Image, want ...color.NRGBA) {
	t.Helper()
	got := corners(img)
	for i := range got {
		if !near(got[i], want[i]) {
			t.Errorf("corner %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// exif is a TIFF structure that says nothing but an orientation.
func exif(o binary.AppendByteOrder, mark string, orientation uint16) []byte {
	b := o.AppendUint32([]byte(mark), 8)
	b = o.AppendUint16(b, 1)
	b = o.AppendUint16(b, 0x0112)
	b = o.AppendUint16(b, 3)
	b = o.AppendUint32(b, 1)
	b = o.AppendUint16(b, orientation)
	return append(b, 0, 0, 0, 0, 0, 0)
}

// jpgWithExif puts a segment APP1 behind the start of a jpg.
func jpgWithExif(jpg, exif []byte) []byte {
	b := append([]byte{}, jpg[:2]...)
	b = append(b, 0xff, 0xe1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(exif)+8))
	b = append(b, "Exif\x00\x00"...)
	return append(append(b, exif...), jpg[2:]...)
}
