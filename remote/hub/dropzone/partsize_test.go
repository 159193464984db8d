package dropzone

import "testing"

func TestPartSize(t *testing.T) {
	const mib = 1 << 20
	a := &API{cfg: Config{PartSizeMin: partSizeMin}}
	for _, c := range []struct{ size, want int64 }{
		{64 * mib, 16 * mib},
		{4_000_000_000, 16 * mib},
		{16 * mib * partsMax, 16 * mib},
		{16*mib*partsMax + 1, 17 * mib},
		{1 << 40, 1049 * mib},
		{5 << 40, 5243 * mib}, // beyond what S3 takes for a part; only an embedded drop is so large
	} {
		got := a.partSize(c.size)
		if got != c.want || (c.size+got-1)/got > partsMax {
			t.Errorf("%d bytes: parts of %d, not %d", c.size, got, c.want)
		}
	}
}
