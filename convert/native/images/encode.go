package images

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"

	"github.com/HugoSmits86/nativewebp"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"dropfs/convert"
)

const (
	maxWebp           = 12e6               // pixels: the encoder takes forty bytes for each
	sideWebp, sideGIF = 1 << 14, 1<<16 - 1 // pixels of width and of height that the formats can say; jpg as gif
	fastPNG           = 4e6                // pixels from which on png is packed fast rather than small
)

func writable() []string { return []string{"png", "jpg", "gif", "bmp", "tiff", "webp"} }

// encode writes a picture in the format of the target.
func (t target) encode(o *output, img image.Image) error {
	pixels := img.Bounds().Dx() * img.Bounds().Dy()
	if side := max(img.Bounds().Dx(), img.Bounds().Dy()); side > t.maxSide() || t.format == "webp" && pixels > maxWebp {
		return fmt.Errorf("%w: %s of %d by %d pixels", convert.ErrTooLarge, t.format, img.Bounds().Dx(), img.Bounds().Dy())
	}
	img = plain(img)
	switch t.format {
	case "png":
		e := png.Encoder{}
		if pixels >= fastPNG {
			e.CompressionLevel = png.BestSpeed
		}
		return e.Encode(o, img)
	case "jpg":
		return jpeg.Encode(o, img, &jpeg.Options{Quality: t.quality})
	case "gif":
		p, err := paletted(o.ctx, rgba(img))
		if err != nil {
			return err
		}
		return gif.EncodeAll(o, &gif.GIF{Image: []*image.Paletted{p}, Delay: []int{0}})
	case "bmp":
		return bmp.Encode(o, img)
	case "tiff":
		return tiff.Encode(o, img, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	case "webp":
		if _, ok := img.(*image.Paletted); ok { // with few colours the encoder makes of it what no decoder reads
			img = rgba(img)
		}
		return nativewebp.Encode(o, img, nil)
	}
	return fmt.Errorf("%w: a picture as %s", convert.ErrUnsupported, t.format)
}

func (t target) maxSide() int {
	switch t.format {
	case "webp":
		return sideWebp
	case "gif", "jpg":
		return sideGIF
	}
	return 1 << 30
}

// plain gives a picture a form that the encoders know, and one channel where it has one.
func plain(img image.Image) image.Image {
	switch p := img.(type) {
	case *image.RGBA:
		if g, ok := gray(p); ok {
			return g
		}
	case *image.CMYK, *image.NYCbCrA, *image.Alpha, *image.Alpha16:
		return rgba(img)
	}
	return img
}

// output is the file of a result. It ends with its context (I5) and at its limit. Its first error stays, for there are
// encoders that do not look at it.
type output struct {
	ctx  context.Context
	w    *bufio.Writer
	left int64
	err  error
}

func (o *output) Write(b []byte) (int, error) {
	if o.err == nil {
		o.err = o.ctx.Err()
	}
	if o.left -= int64(len(b)); o.left < 0 && o.err == nil {
		o.err = fmt.Errorf("%w: the result", convert.ErrTooLarge)
	}
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(b)
	o.err = err
	return n, err
}

// write makes the result with what f writes.
func write(ctx context.Context, job convert.Job, f func(*output) error) error {
	file, err := os.OpenFile(job.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the result: %w", err)
	}
	defer file.Close()
	o := &output{ctx: ctx, w: bufio.NewWriterSize(file, 1<<16), left: job.Limits.MaxOutput}
	_, err = safely(func() (struct{}, error) { return struct{}{}, f(o) })
	if o.err != nil {
		err = o.err
	}
	if err != nil {
		return broken(ctx, err)
	}
	if err := o.w.Flush(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
