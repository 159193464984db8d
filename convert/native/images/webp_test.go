package images_test

import (
	"encoding/binary"
	"encoding/hex"
	"image/color"
	"testing"
)

// Lossy WebP of 16 by 16 pixels of one colour, by their chunks.
const (
	whiteVP8 = "565038201a0000003001009d012a1000100000c01225a400037000fefedd78000000"
	redVP8   = "56503820340000001002009d012a1000100000c01225a00274ba01f801f80003c800fef97dbfff6331fb467f9257ff87fdfc527fe1ff7ff0e9000000"
	halfVP8X = "565038580a000000100000000f00000f0000" + "414c50480a000000010750c088084444ff03"
)

func webpOf(t *testing.T, chunks string) []byte {
	t.Helper()
	body, err := hex.DecodeString(chunks)
	if err != nil {
		t.Fatal(err)
	}
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body)))
	return append(append(head, "WEBP"...), body...)
}

// TestLossyWebP: luma and chroma of VP8 do not use the whole range, and white stays white.
func TestLossyWebP(t *testing.T) {
	half := red
	half.A = 128
	for _, c := range []struct {
		chunks, step, to string
		want             color.NRGBA
	}{
		{whiteVP8, "@png", "png", white},
		{whiteVP8, "@jpg", "jpg", white},
		{redVP8, "@png", "png", red},
		{redVP8, "@webp", "webp", red},
		{halfVP8X + redVP8, "@png", "png", half},
		{redVP8, "@png,width=8", "png", red},
	} {
		img := decode(t, c.to, must(t, c.step, "webp", webpOf(t, c.chunks)))
		for _, got := range corners(img) {
			d := func(x, y uint8) bool { return max(x, y)-min(x, y) <= 3 }
			if !d(got.R, c.want.R) || !d(got.G, c.want.G) || !d(got.B, c.want.B) || !d(got.A, c.want.A) {
				t.Errorf("%s: %v, want %v", c.step, got, c.want)
			}
		}
	}
}
