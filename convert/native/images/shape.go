package images

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"

	xdraw "golang.org/x/image/draw"

	"dropfs/convert"
)

// frame is where a picture goes: it is scaled to size, and laid at a point of the canvas, which may cut it off.
type frame struct {
	size, canvas image.Point
	at           image.Point
}

// frame places a picture of a size (upright) as the target wants it (I2).
func (t target) frame(w, h int) frame {
	bw, bh := t.width, t.height
	both := bw > 0 && bh > 0
	scale := 1.0
	sx, sy := float64(bw)/float64(w), float64(bh)/float64(h)
	switch {
	case both && t.fit == "fill":
		scale = min(1, max(sx, sy))
	case both:
		scale = min(1, sx, sy)
	case bw > 0:
		scale = min(1, sx)
	case bh > 0:
		scale = min(1, sy)
	}
	size := image.Pt(scaled(w, scale), scaled(h, scale))
	f := frame{size: size, canvas: size}
	switch {
	case both && t.fit == "fill":
		f.canvas = image.Pt(min(bw, size.X), min(bh, size.Y))
	case both && t.fit == "pad":
		f.canvas = image.Pt(bw, bh)
	}
	f.at = image.Pt(floorHalf(f.canvas.X-size.X), floorHalf(f.canvas.Y-size.Y))
	return f
}

func scaled(n int, by float64) int { return max(1, int(math.Round(float64(n)*by))) }

func floorHalf(n int) int { return int(math.Floor(float64(n) / 2)) }

// shape scales, turns and places a picture. Where there is nothing to do it answers the picture itself.
func (t target) shape(ctx context.Context, img image.Image, orientation int, l convert.Limits) (image.Image, error) {
	size := img.Bounds().Size()
	if orientation >= 5 {
		size.X, size.Y = size.Y, size.X
	}
	f := t.frame(size.X, size.Y)
	if int64(f.canvas.X)*int64(f.canvas.Y) > l.MaxPixels {
		return nil, fmt.Errorf("%w: %d by %d pixels asked for", convert.ErrTooLarge, f.canvas.X, f.canvas.Y)
	}
	if f.size != size {
		to := f.size
		if orientation >= 5 {
			to.X, to.Y = to.Y, to.X
		}
		small, err := scale(ctx, img, to)
		if err != nil {
			return nil, err
		}
		img = small
	}
	if orientation > 1 {
		img = turn(rgba(img), orientation)
	}
	bg := t.underlay()
	needsBackground := bg != nothing && !isOpaque(img)
	if f.canvas == f.size && !needsBackground {
		return img, nil
	}
	return over(img, image.Rectangle{Max: f.canvas}, f.at, bg), ctx.Err()
}

// underlay is the colour below the picture: what was asked for, else white where the format has no alpha.
func (t target) underlay() color.NRGBA {
	bg := nothing
	if t.background != nil {
		bg = *t.background
	}
	if t.format == "jpg" || t.format == "bmp" {
		bg = blend(bg, white)
	}
	return bg
}

// blend lays a colour on one that is opaque.
func blend(c, below color.NRGBA) color.NRGBA {
	mix := func(a, b uint8) uint8 { return uint8((int(a)*int(c.A) + int(b)*(255-int(c.A)) + 127) / 255) }
	return color.NRGBA{R: mix(c.R, below.R), G: mix(c.G, below.G), B: mix(c.B, below.B), A: 255}
}

// rgba answers the picture as premultiplied bytes with bounds that begin at 0, 0.
func rgba(img image.Image) *image.RGBA {
	b := img.Bounds()
	if out, ok := img.(*image.RGBA); ok && b.Min == (image.Point{}) {
		return out
	}
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Bounds(), img, b.Min, draw.Src)
	return out
}

// scale makes a picture smaller: boxes of whole pixels first, down to at least twice the size, then a cubic kernel.
func scale(ctx context.Context, img image.Image, to image.Point) (*image.RGBA, error) {
	const maxBox = 2048 // so that the sums of a box fit in 32 bits
	size := img.Bounds().Size()
	n := min(size.X/(2*to.X), size.Y/(2*to.Y), maxBox)
	if n >= 2 {
		small, err := shrink(ctx, img, n)
		if err != nil {
			return nil, err
		}
		img = small
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := image.NewRGBA(image.Rectangle{Max: to})
	xdraw.CatmullRom.Scale(out, out.Bounds(), img, img.Bounds(), draw.Src, nil)
	return out, ctx.Err()
}

// shrink averages boxes of n by n pixels, band by band (I5).
func shrink(ctx context.Context, img image.Image, n int) (*image.RGBA, error) {
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, (b.Dx()+n-1)/n, (b.Dy()+n-1)/n))
	band := image.NewRGBA(image.Rect(0, 0, b.Dx(), n))
	sums := make([]uint32, 4*out.Rect.Dx())
	for y := range out.Rect.Dy() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := min(n, b.Dy()-y*n)
		draw.Draw(band, image.Rect(0, 0, b.Dx(), rows), img, image.Pt(b.Min.X, b.Min.Y+y*n), draw.Src)
		for i := range sums {
			sums[i] = 0
		}
		for r := range rows {
			addRow(sums, band.Pix[r*band.Stride:r*band.Stride+4*b.Dx()], n)
		}
		to := out.Pix[y*out.Stride:]
		for x := 0; x < len(sums); x += 4 {
			count := uint32(rows * min(n, b.Dx()-x/4*n))
			for c := range 4 {
				to[x+c] = uint8((sums[x+c] + count/2) / count)
			}
		}
	}
	return out, nil
}

// addRow adds each n pixels of a row to one sum.
func addRow(sums []uint32, row []uint8, n int) {
	for x := 0; len(row) > 0; x += 4 {
		m := min(4*n, len(row))
		var r, g, b, a uint32
		for i := 0; i+3 < m; i += 4 {
			r += uint32(row[i])
			g += uint32(row[i+1])
			b += uint32(row[i+2])
			a += uint32(row[i+3])
		}
		sums[x] += r
		sums[x+1] += g
		sums[x+2] += b
		sums[x+3] += a
		row = row[m:]
	}
}

// turn makes a picture upright that has an EXIF orientation of 2 to 8.
func turn(img *image.RGBA, orientation int) *image.RGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			tx, ty := turned(x, y, w, h, orientation)
			copy(out.Pix[ty*out.Stride+4*tx:][:4], img.Pix[y*img.Stride+4*x:][:4])
		}
	}
	return out
}

// turned is where a pixel goes. Exif 2.32 §4.6.4: where row 0 and column 0 of what is stored are, seen upright.
func turned(x, y, w, h, orientation int) (int, int) {
	switch orientation {
	case 2: // mirrored
		return w - 1 - x, y
	case 3: // by 180°
		return w - 1 - x, h - 1 - y
	case 4: // upside down, mirrored
		return x, h - 1 - y
	case 5: // about the main diagonal
		return y, x
	case 6: // to be turned right
		return h - 1 - y, x
	case 7: // about the other diagonal
		return h - 1 - y, w - 1 - x
	case 8: // to be turned left
		return y, w - 1 - x
	}
	return x, y
}
