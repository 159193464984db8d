package images

import (
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// compress packs a jpg or png anew, and takes the source's own bytes where that made it no smaller (I3). png loses nothing
// but at level high, which leaves it 256 colours.
func compress(ctx context.Context, job convert.Job) error {
	src := job.Sources[0]
	p, err := open(ctx, src.Path, job.Limits)
	if err != nil {
		return err
	}
	defer p.Close()
	if p.kind.ext != "jpg" && p.kind.ext != "png" {
		return fmt.Errorf("%w: it is %s, not %s", convert.ErrBroken, p.kind.ext, src.Ext)
	}
	img, err := p.decode(ctx)
	if err != nil {
		return err
	}
	progress(job, 0.5)
	if p.orientation > 1 {
		img = turn(rgba(img), p.orientation)
	}
	level := job.Step.Options.Get("level")
	if err := write(ctx, job, func(o *bounded.Output) error {
		if p.kind.ext == "jpg" {
			return jpeg.Encode(o, plain(img), &jpeg.Options{Quality: convert.PictureQuality(level)})
		}
		return packPNG(ctx, o, img, level)
	}); err != nil {
		return err
	}
	return keepSmaller(ctx, job, p)
}

func packPNG(ctx context.Context, o *bounded.Output, img image.Image, level string) error {
	img = plain(img)
	if eightBit(img) {
		whole := rgba(img)
		if p := exact(whole); p != nil {
			img = p
		} else if level == "high" && isOpaque(whole) {
			p, err := paletted(ctx, whole)
			if err != nil {
				return err
			}
			img = p
		}
	}
	return (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(o, img)
}

// eightBit tells whether a picture is held in colours of eight bits, of which a palette may be made. One channel alone
// needs none.
func eightBit(img image.Image) bool {
	switch img.(type) {
	case *image.RGBA, *image.NRGBA, *image.Paletted:
		return true
	}
	return false
}

// keepSmaller puts the source in the place of the result where that is not smaller.
func keepSmaller(ctx context.Context, job convert.Job, p *picture) error {
	made, err := os.Stat(job.Out)
	if err != nil {
		return fmt.Errorf("look at the result: %w", err)
	}
	own, err := p.f.Stat()
	if err != nil {
		return fmt.Errorf("look at the picture: %w", err)
	}
	if made.Size() < own.Size() {
		return nil
	}
	if err := os.Remove(job.Out); err != nil {
		return fmt.Errorf("give up the result: %w", err)
	}
	if err := p.file.Rewind(); err != nil {
		return err
	}
	return write(ctx, job, func(o *bounded.Output) error {
		_, err := io.Copy(o, p.file)
		return err
	})
}
