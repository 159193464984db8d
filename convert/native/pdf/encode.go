package pdf

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"dropfs/convert"
)

// pictures are the formats that a page can be drawn in.
func pictures() []string { return []string{"png", "jpg", "gif", "bmp", "tiff"} }

const plainQuality = 85

// encode writes a picture in a format. quality is for jpg; 0 is the default.
func encode(w io.Writer, m image.Image, format string, quality int) error {
	switch format {
	case "png":
		return (&png.Encoder{CompressionLevel: png.DefaultCompression}).Encode(w, m)
	case "jpg":
		if quality == 0 {
			quality = plainQuality
		}
		return jpeg.Encode(w, m, &jpeg.Options{Quality: quality})
	case "gif":
		return gif.Encode(w, fewColours(m), nil)
	case "bmp":
		return bmp.Encode(w, m)
	case "tiff":
		return tiff.Encode(w, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	}
	return fmt.Errorf("%w: a page as %q", convert.ErrUnsupported, format)
}

// keepsClear tells whether a format can hold a background that lets through.
func keepsClear(format string) bool { return format == "png" || format == "tiff" }

// fewColours gives a picture that has at most 256 colours a palette of just these; others gif dithers.
func fewColours(m image.Image) image.Image {
	switch m := m.(type) {
	case *image.Gray:
		palette := make(color.Palette, 256)
		for i := range palette {
			palette[i] = color.Gray{Y: uint8(i)}
		}
		return &image.Paletted{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect, Palette: palette}
	case *image.RGBA:
		index := map[color.RGBA]uint8{}
		out := image.NewPaletted(m.Rect, nil)
		for i := range out.Pix {
			p := m.Pix[4*i:]
			c := color.RGBA{p[0], p[1], p[2], p[3]}
			at, ok := index[c]
			if !ok {
				if len(index) == 256 {
					return m
				}
				at = uint8(len(index))
				index[c], out.Palette = at, append(out.Palette, c)
			}
			out.Pix[i] = at
		}
		return out
	}
	return m
}
