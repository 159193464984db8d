package images

import (
	"cmp"
	"context"
	"image"
	"image/color"
	"slices"
)

// paletted reduces a picture to 256 colours: exactly where it has no more, else to the means of boxes of colours that were
// cut at their medians, with the error spread to the neighbours (Floyd and Steinberg). Pixels that are less than half
// covered become clear.
func paletted(ctx context.Context, img *image.RGBA) (*image.Paletted, error) {
	if p := exact(img); p != nil {
		return p, nil
	}
	pal, err := medianCut(ctx, img)
	if err != nil {
		return nil, err
	}
	return dither(ctx, img, pal)
}

// exact answers the picture with a palette of its own colours; nil where it has more than 256 or some that are half clear.
func exact(img *image.RGBA) *image.Paletted {
	out := image.NewPaletted(img.Rect, nil)
	index := map[[4]uint8]uint8{}
	for y := range img.Rect.Dy() {
		row := img.Pix[y*img.Stride : y*img.Stride+4*img.Rect.Dx()]
		for x := 0; x < len(row); x += 4 {
			c := [4]uint8(row[x : x+4])
			i, ok := index[c]
			if !ok {
				if len(out.Palette) == 256 || c[3] != 0 && c[3] != 255 {
					return nil
				}
				i = uint8(len(out.Palette))
				index[c] = i
				out.Palette = append(out.Palette, color.RGBA{c[0], c[1], c[2], c[3]})
			}
			out.Pix[y*out.Stride+x/4] = i
		}
	}
	return out
}

// bin is a cell of the colour cube, five bits a channel, with the colours that fell into it.
type bin struct {
	sum   [3]uint64
	count uint64
}

func cell(r, g, b uint8) int { return int(r>>3)<<10 | int(g>>3)<<5 | int(b>>3) }

func (b bin) mean(c int) uint8 { return uint8(b.sum[c] / b.count) }

// medianCut finds 255 colours, and a clear one where it is needed.
func medianCut(ctx context.Context, img *image.RGBA) (color.Palette, error) {
	cube := make([]bin, 1<<15)
	hasClear := false
	for y := range img.Rect.Dy() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := img.Pix[y*img.Stride : y*img.Stride+4*img.Rect.Dx()]
		for x := 0; x < len(row); x += 4 {
			if row[x+3] < 128 {
				hasClear = true
				continue
			}
			b := &cube[cell(row[x], row[x+1], row[x+2])]
			for c := range 3 {
				b.sum[c] += uint64(row[x+c])
			}
			b.count++
		}
	}
	boxes := [][]bin{slices.DeleteFunc(cube, func(b bin) bool { return b.count == 0 })}
	for len(boxes) < 255 {
		i, channel := widest(boxes)
		if i < 0 {
			break
		}
		low, high := cut(boxes[i], channel)
		boxes[i] = low
		boxes = append(boxes, high)
	}
	var pal color.Palette
	for _, box := range boxes {
		var all bin
		for _, b := range box {
			for c := range 3 {
				all.sum[c] += b.sum[c]
			}
			all.count += b.count
		}
		if all.count > 0 {
			pal = append(pal, color.RGBA{all.mean(0), all.mean(1), all.mean(2), 255})
		}
	}
	if hasClear || len(pal) == 0 {
		pal = append(pal, color.RGBA{})
	}
	return pal, nil
}

// widest finds the box to be cut next: the one whose colours differ most, weighed by how many pixels it has; -1 for none.
func widest(boxes [][]bin) (box, channel int) {
	box = -1
	best := uint64(0)
	for i, bins := range boxes {
		if len(bins) < 2 {
			continue
		}
		n := uint64(0)
		for _, b := range bins {
			n += b.count
		}
		for c := range 3 {
			low, high := uint8(255), uint8(0)
			for _, b := range bins {
				low, high = min(low, b.mean(c)), max(high, b.mean(c))
			}
			if high > low && uint64(high-low)*n > best {
				best, box, channel = uint64(high-low)*n, i, c
			}
		}
	}
	return box, channel
}

// cut halves the pixels of a box along a channel.
func cut(bins []bin, channel int) (low, high []bin) {
	slices.SortFunc(bins, func(a, b bin) int { return cmp.Compare(a.mean(channel), b.mean(channel)) })
	total, half := uint64(0), uint64(0)
	for _, b := range bins {
		total += b.count
	}
	for i, b := range bins[:len(bins)-1] {
		if half += b.count; half*2 >= total {
			return bins[:i+1], bins[i+1:]
		}
	}
	return bins[:len(bins)-1], bins[len(bins)-1:]
}

// dither gives each pixel the nearest colour and its error to the right and to the row below.
func dither(ctx context.Context, img *image.RGBA, pal color.Palette) (*image.Paletted, error) {
	near := nearest{pal: make([][4]int, len(pal)), clear: -1, seen: make([]int16, 1<<15)}
	for i, c := range pal {
		p, _ := c.(color.RGBA) // they were made so
		near.pal[i] = [4]int{int(p.R), int(p.G), int(p.B), int(p.A)}
		if p.A == 0 {
			near.clear = i
		}
	}
	w := img.Rect.Dx()
	out := image.NewPaletted(img.Rect, pal)
	this, next := make([][3]int, w+2), make([][3]int, w+2)
	for y := range img.Rect.Dy() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := img.Pix[y*img.Stride:]
		for x := range w {
			p := row[4*x : 4*x+4]
			if p[3] < 128 && near.clear >= 0 {
				out.Pix[y*out.Stride+x] = uint8(near.clear)
				continue
			}
			var want [3]int
			for c := range 3 {
				want[c] = min(max(int(p[c])+this[x+1][c]/16, 0), 255)
			}
			i := near.find(want)
			out.Pix[y*out.Stride+x] = uint8(i)
			for c := range 3 {
				e := want[c] - near.pal[i][c]
				this[x+2][c] += 7 * e
				next[x][c] += 3 * e
				next[x+1][c] += 5 * e
				next[x+2][c] += e
			}
		}
		this, next = next, this
		for i := range next {
			next[i] = [3]int{}
		}
	}
	return out, nil
}

// nearest looks for colours and remembers what it found, by cells of the colour cube.
type nearest struct {
	pal   [][4]int
	clear int     // index of the clear colour; -1 none
	seen  []int16 // index and 1, by cell; 0 not known
}

func (n *nearest) find(c [3]int) int {
	at := cell(uint8(c[0]), uint8(c[1]), uint8(c[2]))
	if i := n.seen[at]; i > 0 {
		return int(i) - 1
	}
	best, least := 0, 1<<30
	for i, p := range n.pal {
		if i == n.clear && len(n.pal) > 1 {
			continue
		}
		r, g, b := p[0]-c[0], p[1]-c[1], p[2]-c[2]
		if d := 2*r*r + 4*g*g + 3*b*b; d < least {
			best, least = i, d
		}
	}
	n.seen[at] = int16(best) + 1
	return best
}
