package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"time"
)

const (
	pictureName = "picture.png"
	pictureStep = "@jpg"
)

// writePicture writes a picture as a camera would make it, but for its content: no two lines are alike. Bytes is how many
// pixels it has.
func writePicture(t task) (figures, error) {
	height := 1
	for int64(height)*int64(height)*4/3 < t.Bytes {
		height++
	}
	img := image.NewRGBA(image.Rect(0, 0, height*4/3, height))
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			img.SetRGBA(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y >> 6), 255}) //nolint:gosec // the low bits are meant
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
		return nil, err
	}
	return figures{}, os.WriteFile(filepath.Join(t.Dir, pictureName), b.Bytes(), 0o644)
}

var errNoJPEG = errors.New("the result is no JPEG")

// readConverted reads the picture as a JPEG twice. "first" and "again" are the milliseconds it took.
func readConverted(t task) (figures, error) {
	out := figures{}
	var before []byte
	for _, when := range []string{"first", "again"} {
		start := time.Now()
		b, err := os.ReadFile(filepath.Join(t.Dir, pictureName+pictureStep))
		if err != nil {
			return nil, err
		}
		out[when] = time.Since(start).Seconds() * 1e3
		if !bytes.HasPrefix(b, []byte("\xff\xd8\xff")) || before != nil && !bytes.Equal(b, before) {
			return nil, fmt.Errorf("%s, %d bytes: %w", when, len(b), errNoJPEG)
		}
		before = b
	}
	return out, nil
}
