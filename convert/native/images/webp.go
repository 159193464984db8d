package images

import (
	"image"
	"io"

	"golang.org/x/image/webp"
)

// decodeWebP reads a WebP. What is lossy in it is VP8, whose luma goes from 16 to 235 and whose chroma from 16 to 240
// (RFC 6386 §9.2, ITU-R BT.601). The decoder hands that on as image.YCbCr, which stands for the whole range from 0 to 255
// as JPEG has it: as it is, white would be gray and every colour dull.
func decodeWebP(r io.Reader) (image.Image, error) {
	img, err := webp.Decode(r)
	if err != nil {
		return nil, err
	}
	switch m := img.(type) {
	case *image.YCbCr:
		out := image.NewRGBA(m.Rect)
		videoRange(m, out.Pix)
		return out, nil
	case *image.NYCbCrA:
		out := image.NewNRGBA(m.Rect)
		videoRange(&m.YCbCr, out.Pix)
		for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
			for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
				out.Pix[out.PixOffset(x, y)+3] = m.A[m.AOffset(x, y)]
			}
		}
		return out, nil
	}
	return img, nil
}

// videoRange writes opaque pixels of four bytes, row by row. Its factors are those of BT.601, times 2^16.
func videoRange(m *image.YCbCr, pix []byte) {
	clamp := func(v int32) byte { return byte(min(max((v+1<<15)>>16, 0), 255)) }
	i := 0
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
			c := m.COffset(x, y)
			luma := 76309 * (int32(m.Y[m.YOffset(x, y)]) - 16)
			cb, cr := int32(m.Cb[c])-128, int32(m.Cr[c])-128
			pix[i] = clamp(luma + 104597*cr)
			pix[i+1] = clamp(luma - 25675*cb - 53279*cr)
			pix[i+2] = clamp(luma + 132201*cb)
			pix[i+3] = 255
			i += 4
		}
	}
}
