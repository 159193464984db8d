package images

import (
	"encoding/hex"
	"image"
	"image/color"
	"image/draw"
	"strings"
)

var (
	white   = color.NRGBA{R: 255, G: 255, B: 255, A: 255}
	nothing = color.NRGBA{}
)

// named are the colours that have a name.
var named = map[string]string{
	"white": "ffffff", "black": "000000", "gray": "808080", "grey": "808080", "red": "ff0000", "green": "008000",
	"blue": "0000ff", "yellow": "ffff00", "transparent": "00000000", "none": "00000000",
}

// parseColour reads a name, or RGB, RRGGBB or RRGGBBAA in hexadecimal digits, with or without # before them.
func parseColour(s string) (color.NRGBA, bool) {
	s = strings.ToLower(strings.TrimPrefix(s, "#"))
	if digits, ok := named[s]; ok {
		s = digits
	}
	if len(s) == 3 {
		s = string([]byte{s[0], s[0], s[1], s[1], s[2], s[2]})
	}
	if len(s) == 6 {
		s += "ff"
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 {
		return nothing, false
	}
	return color.NRGBA{R: b[0], G: b[1], B: b[2], A: b[3]}, true
}

// isOpaque tells whether no pixel lets anything through; false where that cannot be told cheaply.
func isOpaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// over lays a picture on a canvas of one colour, with its upper left corner at a point.
func over(img image.Image, canvas image.Rectangle, at image.Point, bg color.NRGBA) *image.RGBA {
	out := image.NewRGBA(canvas)
	draw.Draw(out, canvas, image.NewUniform(bg), image.Point{}, draw.Src)
	b := img.Bounds()
	draw.Draw(out, b.Sub(b.Min).Add(at), img, b.Min, draw.Over)
	return out
}

// gray answers the picture with one channel where it has no colour and no alpha.
func gray(img *image.RGBA) (*image.Gray, bool) {
	b := img.Bounds()
	out := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		row := img.Pix[y*img.Stride : y*img.Stride+4*b.Dx()]
		to := out.Pix[y*out.Stride:]
		for x := 0; x < len(row); x += 4 {
			if row[x] != row[x+1] || row[x] != row[x+2] || row[x+3] != 255 {
				return nil, false
			}
			to[x/4] = row[x]
		}
	}
	return out, true
}
