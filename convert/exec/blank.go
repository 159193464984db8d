package exec

import (
	"bytes"
	"image"
	"image/png"
)

// blankPNG is a white picture of 64 by 64 pixels.
func blankPNG() []byte {
	m := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range m.Pix {
		m.Pix[i] = 0xff
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic("blank picture: " + err.Error()) // memory does not refuse to be written
	}
	return b.Bytes()
}
