package images

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// maxBytes bounds the memory of one decoded picture.
const maxBytes = 3 << 29

// kind is one format that can be read. A ? in its mark stands for any byte.
type kind struct {
	ext    string
	marks  []string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

func kinds() []kind {
	return []kind{
		{"png", []string{"\x89PNG\r\n\x1a\n"}, png.DecodeConfig, png.Decode},
		{"jpg", []string{"\xff\xd8\xff"}, jpeg.DecodeConfig, jpeg.Decode},
		{"gif", []string{"GIF87a", "GIF89a"}, gif.DecodeConfig, gif.Decode},
		{"bmp", []string{"BM????\x00\x00\x00\x00"}, bmp.DecodeConfig, bmp.Decode},
		{"tiff", []string{"II\x2a\x00", "MM\x00\x2a"}, tiff.DecodeConfig, tiff.Decode},
		{"webp", []string{"RIFF????WEBP"}, webp.DecodeConfig, decodeWebP},
	}
}

func readable() []string {
	var out []string
	for _, k := range kinds() {
		out = append(out, k.ext)
	}
	return out
}

func (k kind) matches(head []byte) bool {
	for _, m := range k.marks {
		ok := len(head) >= len(m)
		for i := 0; ok && i < len(m); i++ {
			ok = m[i] == '?' || m[i] == head[i]
		}
		if ok {
			return true
		}
	}
	return false
}

// picture is a file that was looked at but not decoded.
type picture struct {
	f           *os.File
	file        *bounded.File // reads f
	kind        kind
	config      image.Config
	orientation int // EXIF: 1 upright, to 8
}

// Close closes the file.
func (p *picture) Close() { p.f.Close() }

// open finds out what a file is and how large, and refuses what is too large (I1).
func open(ctx context.Context, path string, l convert.Limits) (*picture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the picture: %w", err)
	}
	p := &picture{f: f, file: bounded.NewFile(ctx, f), orientation: 1}
	if err := p.look(l); err != nil {
		p.Close()
		return nil, bounded.Broken(ctx, err)
	}
	return p, nil
}

func (p *picture) look(l convert.Limits) error {
	head := make([]byte, 12)
	n, err := io.ReadFull(p.file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	for _, k := range kinds() {
		if k.matches(head[:n]) {
			p.kind = k
		}
	}
	if p.kind.ext == "" {
		return errors.New("no picture that is known")
	}
	if err := p.file.Rewind(); err != nil {
		return err
	}
	if p.config, err = safely(func() (image.Config, error) { return p.kind.config(p.reader()) }); err != nil {
		return err
	}
	info := about(p.kind.ext, p.file)
	p.orientation = info.orientation
	w, h := int64(p.config.Width), int64(p.config.Height)
	if w <= 0 || h <= 0 {
		return errors.New("a picture without pixels")
	}
	if w > l.MaxPixels || h > l.MaxPixels/w || w*h > maxBytes/depth(p.config.ColorModel, info.progressive) {
		return fmt.Errorf("%w: %d by %d pixels", convert.ErrTooLarge, w, h)
	}
	return nil
}

// depth is the number of bytes that decoding takes for a pixel. A progressive jpg is held as coefficients first.
func depth(m color.Model, progressive bool) int64 {
	n := int64(4)
	switch m {
	case color.RGBA64Model, color.NRGBA64Model:
		n = 8
	}
	if progressive {
		n += 12
	}
	return n
}

// reader reads the file, which stands at its beginning. The decoder of tiff wants to seek.
func (p *picture) reader() io.Reader {
	if p.kind.ext == "tiff" {
		return p.file
	}
	return bufio.NewReaderSize(p.file, 1<<16)
}

// decode reads the picture, of an animation the first frame. Its bounds begin at 0, 0.
func (p *picture) decode(ctx context.Context) (image.Image, error) {
	if err := p.file.Rewind(); err != nil {
		return nil, err
	}
	img, err := safely(func() (image.Image, error) { return p.kind.decode(p.reader()) })
	if err != nil {
		return nil, bounded.Broken(ctx, err)
	}
	canvas := image.Rect(0, 0, p.config.Width, p.config.Height)
	b := img.Bounds()
	if p.kind.ext == "gif" && b != canvas {
		return over(img, canvas, b.Min, nothing), nil
	}
	if b.Size() != canvas.Size() {
		return nil, fmt.Errorf("%w: not of the size that its header says", convert.ErrBroken)
	}
	if b.Min != (image.Point{}) {
		out := image.NewRGBA(canvas)
		draw.Draw(out, canvas, img, b.Min, draw.Src)
		return out, nil
	}
	return img, nil
}

// safely turns a panic of a decoder into an error (I4).
func safely[T any](f func() (T, error)) (out T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: the decoder gave up: %v", convert.ErrBroken, r)
		}
	}()
	return f()
}
