package images

import (
	"context"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"

	"github.com/HugoSmits86/nativewebp"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

const (
	maxWebp           = 12e6               // pixels: the encoder takes forty bytes for each
	sideWebp, sideGIF = 1 << 14, 1<<16 - 1 // pixels of width and of height that the formats can say; jpg as gif
	fastPNG           = 4e6                // pixels from which on png is packed fast rather than small
)

func writable() []string { return []string{"png", "jpg", "gif", "bmp", "tiff", "webp"} }

// encode writes a picture in the format of the target.
func (t target) encode(ctx context.Context, o *bounded.Output, img image.Image) error {
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
		p, err := paletted(ctx, rgba(img))
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

// write makes the result with what f writes. A panic of an encoder is an error (I4).
func write(ctx context.Context, job convert.Job, f func(*bounded.Output) error) error {
	return bounded.Write(ctx, job, func(o *bounded.Output) error {
		_, err := safely(func() (struct{}, error) { return struct{}{}, f(o) })
		return err
	})
}
